def query_of(layer, inputs, query):
    """Choose the query modality of a fusion in which one modality attends to all others.

    Args:
        layer: str, name of the fusion layer, for the error message.
        inputs: dict name -> encoder output or shapes.
        query: Optional str, the configured name. `None` chooses `"text"`, or the only modality without an image grid.

    Returns:
        str: a name in `inputs`.

    Raises:
        ValueError: if there is no such modality, the choice is ambiguous, or there is no other modality.
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
