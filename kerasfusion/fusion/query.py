def query_of(layer, inputs, query):
    """Which modality asks, where one is the question and all others are looked at.

    Args:
        layer: Name of the fusion layer, for the error.
        inputs: dict name -> encoder output or shapes.
        query: The name asked for; `None` means the one named `"text"`, or the only one without an image grid.

    Returns:
        str: a name in `inputs`.

    Raises:
        ValueError: no such modality, no clear choice, or nothing else to look at.
    """
    if query is None:
        gridless = [name for name, value in inputs.items() if not (isinstance(value, dict) and "grid" in value)]
        query = "text" if "text" in inputs else gridless[0] if len(gridless) == 1 else None
    if query not in inputs:
        raise ValueError(
            f"{layer} needs one modality that asks: {query or 'none'} was chosen among {sorted(inputs)}. "
            "Name it with `query=`."
        )
    if len(inputs) < 2:
        raise ValueError(f"{layer} needs another modality beside {query!r} to look at.")
    return query
