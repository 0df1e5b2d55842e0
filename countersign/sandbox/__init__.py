"""A TurboDocx to build and test against; shares no code with our client."""
