"""Parts for workflows of any kind. They import nothing that differs in a replay."""
