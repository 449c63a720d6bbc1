"""What the use cases need of the world: a module for each role, with its ports and the errors that they raise."""
