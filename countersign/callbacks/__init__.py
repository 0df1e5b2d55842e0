"""What leaves this machine when somebody is called back: signed, to allowed hosts, at checked addresses."""
