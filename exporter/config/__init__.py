"""What the operator wrote: the model of the file, and the loader that names every problem with its place."""
