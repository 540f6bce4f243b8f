"""The laboratory: experiments on backpropagation, to be run and looked at."""

__all__: list[str] = []
