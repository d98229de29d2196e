"""The command API: the write side. HTTP -> command -> decide -> reserve -> append -> verdict."""
