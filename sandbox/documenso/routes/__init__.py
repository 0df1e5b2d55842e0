"""The routes of the Documenso sandbox."""
