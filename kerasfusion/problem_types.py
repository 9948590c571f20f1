"""Names of the task types. It imports nothing, so that the command line starts without the layers."""

# What a column of labels may hold.
LABEL_TYPES = ("binary", "multiclass", "multilabel", "regression", "captioning")
# What `problem_type=` accepts: retrieval pairs come from the rows themselves.
PROBLEM_TYPES = (*LABEL_TYPES, "retrieval")
# Embeddings to predict come from matrix factorization or from a frozen encoder.
TASK_TYPES = (*PROBLEM_TYPES, "embedding_regression")
