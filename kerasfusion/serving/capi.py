"""Runs a SavedModel through TensorFlow's C API: the loader that TF Serving itself stands on.

`tf.saved_model.load()` rebuilds Python objects and restores them one by one, so it accepts exports that TF
Serving cannot run. `TF_LoadSessionFromSavedModel` is the call TF Serving makes. Nothing here imports
TensorFlow or Keras: `ctypes` opens the wheel's shared libraries, so a process that only serves starts sooner.
"""

import ctypes
import os
import threading

from kerasfusion.serving import protos
from kerasfusion.serving.c_library import Output, checked, library
from kerasfusion.serving.c_tensors import dtype_name, new_tensor, read_tensor, to_array
from kerasfusion.serving.errors import FAILED_PRECONDITION, NOT_FOUND, ServingError


def _names(items):
    return ", ".join(f"`{name}`" for name in sorted(items)) or "none"


def _shape(proto):
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in proto.dim)


class _Endpoint:
    """A signature resolved in the graph: names, types and shapes, and the operations to feed and to fetch."""

    def __init__(self, graph, name, signature):
        self.name = name
        self.inputs, self._feeds = self._resolve(graph, signature.inputs)
        self.outputs, self._fetches = self._resolve(graph, signature.outputs)

    def _resolve(self, graph, infos):
        names = sorted(infos)
        described = {name: (dtype_name(infos[name].dtype), _shape(infos[name].tensor_shape)) for name in names}
        array = (Output * len(names))()
        for slot, name in zip(array, names, strict=True):
            operation, _, index = infos[name].name.partition(":")
            slot.operation = library().TF_GraphOperationByName(graph, operation.encode())
            slot.index = int(index or 0)
            if not slot.operation:
                raise ServingError(
                    f"Signature `{self.name}`: the graph has no tensor {infos[name].name!r} for `{name}`.",
                    FAILED_PRECONDITION,
                )
        return described, array

    def check(self, inputs):
        """Turns the inputs into arrays of the declared type and rank, or says what is wrong with them."""
        where = f"Signature `{self.name}`"
        missing = set(self.inputs) - set(inputs)
        unknown = set(inputs) - set(self.inputs)
        if missing or unknown:
            parts = [f"missing {_names(missing)}"] if missing else []
            parts += [f"unknown {_names(unknown)}"] if unknown else []
            raise ServingError(f"{where}: {'; '.join(parts)}. Its inputs are {_names(self.inputs)}.")
        arrays = {}
        for name, (dtype, shape) in self.inputs.items():
            array = to_array(f"{where}: input `{name}`", inputs[name], dtype)
            fits = shape is None or (
                array.ndim == len(shape)
                and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
            )
            if not fits:
                raise ServingError(f"{where}: input `{name}` has shape {shape}, received {array.shape}.")
            arrays[name] = array
        return arrays

    def run(self, session, arrays):
        tf = library()
        feeds = (ctypes.c_void_p * len(self._feeds))()
        fetched = (ctypes.c_void_p * len(self._fetches))()
        try:
            for index, name in enumerate(self.inputs):
                feeds[index] = new_tensor(arrays[name])
            with checked() as status:
                tf.TF_SessionRun(
                    *(session, None),
                    *(self._feeds, feeds, len(feeds)),
                    *(self._fetches, fetched, len(fetched)),
                    *(None, 0),
                    *(None, status),
                )
            return {name: read_tensor(name, tensor) for name, tensor in zip(self.outputs, fetched, strict=True)}
        finally:
            for tensor in (*feeds, *fetched):
                if tensor:
                    tf.TF_DeleteTensor(tensor)


class CApiSession:
    """A SavedModel loaded the way TF Serving loads it.

    `run()` may be called from many threads at once: TensorFlow's session is made for that, and every call has
    tensors and a status of its own.

    Args:
        path: Folder of one version: the one `saved_model.pb` lies in.
        intra_op_threads: Threads one operation may use; `None` leaves it to TensorFlow. The first session of
            a process decides for all of them.
        inter_op_threads: Operations that may run side by side in this session; `None` leaves it to
            TensorFlow.

    Attributes:
        signatures: Signature name -> `{"inputs": {name: (dtype, shape)}, "outputs": {name: (dtype, shape)}}`.
            A dtype is TensorFlow's name for it; a shape is a tuple with `None` for an open dimension, or
            `None` where even the rank is open.
        signature_defs: Signature name -> `SignatureDef` as the file has it, TensorFlow's initialising operation
            included.

    Raises:
        ServingError: There is no SavedModel at `path`, TensorFlow refuses it, or the platform has no C
            library.

    Example:
    ```python
    with CApiSession("saved_models/vqa/1") as session:
        outputs = session.run("serving_default", {"text": [b"what shape?"], "image_bytes": [png]})
    ```
    """

    def __init__(self, path, intra_op_threads=None, inter_op_threads=None):
        self.path = os.fspath(path)
        self._session = None
        self._graph = None
        self._running = 0
        self._idle = threading.Condition()
        config = protos.ConfigProto()
        if intra_op_threads is not None:
            config.intra_op_parallelism_threads = intra_op_threads
        if inter_op_threads is not None:
            config.inter_op_parallelism_threads = inter_op_threads
            # Else the first session of the process decides for this one too.
            config.use_per_session_threads = True
        try:
            self._endpoints = self._load(config.SerializeToString())
        except BaseException:
            self.close()
            raise
        self.signatures = {
            name: {"inputs": dict(endpoint.inputs), "outputs": dict(endpoint.outputs)}
            for name, endpoint in self._endpoints.items()
        }

    def _load(self, config):
        tf = library()
        options = tf.TF_NewSessionOptions()
        meta_graph = tf.TF_NewBuffer()
        self._graph = tf.TF_NewGraph()
        try:
            if config:
                with checked() as status:
                    tf.TF_SetConfig(options, config, len(config), status)
            with checked() as status:
                self._session = tf.TF_LoadSessionFromSavedModel(
                    *(options, None, os.fsencode(self.path)),
                    *((ctypes.c_char_p * 1)(b"serve"), 1),
                    *(self._graph, meta_graph, status),
                )
            content = meta_graph.contents
            meta_graph_def = protos.MetaGraphDef.FromString(ctypes.string_at(content.data, content.length))
            self.signature_defs = dict(sorted(meta_graph_def.signature_def.items()))
            # TensorFlow keeps its initialising operation among the signatures.
            return {
                name: _Endpoint(self._graph, name, signature)
                for name, signature in self.signature_defs.items()
                if not name.startswith("__saved_model")
            }
        finally:
            tf.TF_DeleteBuffer(meta_graph)
            tf.TF_DeleteSessionOptions(options)

    def run(self, signature, inputs):
        """Answers one request.

        Args:
            signature: Name of a signature.
            inputs: Input name -> array of the input's type, or a list; strings as `bytes` or `str`.

        Returns:
            Output name -> array. Strings are object arrays of `bytes`.

        Raises:
            ServingError: No such signature, a missing or unknown input, a wrong type or shape, or
                TensorFlow's own error while running.

        Example:
        ```python
        session.run("tensors", {"text": ids, "image": pixels})["label"]
        ```
        """
        endpoint = self._endpoints.get(signature)
        if endpoint is None:
            raise ServingError(f"No signature {signature!r}; there are {_names(self._endpoints)}.", NOT_FOUND)
        arrays = endpoint.check(inputs)
        with self._idle:
            session = self._session
            if session is None:
                raise ServingError("The session is closed.", FAILED_PRECONDITION)
            self._running += 1
        try:
            return endpoint.run(session, arrays)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def close(self):
        """Frees the model, after the calls that are still running. Closing twice is fine."""
        with self._idle:
            session, self._session = self._session, None
            graph, self._graph = self._graph, None
            self._idle.wait_for(lambda: not self._running)
        tf = library() if session or graph else None
        if session:
            with checked() as status:
                tf.TF_CloseSession(session, status)
            with checked() as status:
                tf.TF_DeleteSession(session, status)
        if graph:
            tf.TF_DeleteGraph(graph)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
