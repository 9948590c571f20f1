"""What the export of a captioner answers: captions, searched for or drawn, and how likely a given one is."""

import tensorflow as tf

from kerasfusion.decoders import beam_search, sample, score_tokens
from kerasfusion.models import as_captioner
from kerasfusion.preprocessing.detokenize import Prompts, drawn
from kerasfusion.serving.signatures import Signatures
from kerasfusion.serving.traced_decoder import TracedDecoder

BEAMS = 3


class CaptionSignatures(Signatures):
    """The endpoints of a captioner. The image is encoded once, each word is one step of a loop in the graph.

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | `image_bytes` string `(B,)`, and `text` where there is one | see below |
    | `caption` | the same, `prompt` and `strategy` string `(B,)` | the same |
    | `caption_sample` | the same, `prompt`, `temperature`, `top_k`, `top_p`, `seed` | the same |
    | `tensors` | the model's own, `caption` int32 `(B, T)` | `log_probabilities` `(B, T)` of each next word |

    Answers are `caption` string `(B,)`, `log_probability` float32 `(B,)` and `image_ok` bool `(B,)`. `strategy` is
    `"greedy"` or `"beam"` (three beams), anything else gives that row an empty caption of probability 0 (the lowest
    float32 as `log_probability`); `temperature` and `top_p` are float32 `(B,)`, `top_k` and `seed` int32. A
    caption begins with the words of its `prompt`, `""` for none; those that the model does not know stay as they are.
    `log_probability` is the sum over the words that were made and the end. A `temperature` of 0 takes the likeliest
    word, `top_k` of 0 and `top_p` of 1 leave all words in; equal seeds draw equally, whatever else is in the batch.
    An unreadable image is described like one that is missing.

    Args:
        model: What `kf.models.captioner` made.
        schema: Its `Schema`.
    """

    def __init__(self, model, schema):
        self.captioner = as_captioner(model)
        self.decoder = TracedDecoder(self.captioner.decoder)
        self.task = schema[self.captioner.task]
        self.prompts = Prompts(self.task)
        super().__init__(model, schema)
        # Traced once each and called by every endpoint.
        self._encode = tf.function(self._encode, input_signature=self.raw.specs())
        context = self._context.get_concrete_function().structured_outputs
        context = tf.nest.map_structure(lambda part: tf.TensorSpec(part.shape, part.dtype), context)
        given = [context, tf.TensorSpec((None, self.prompts.length), tf.int32)]
        searches = {"greedy": self._search(sample), "beam": self._search(beam_search, beams=BEAMS)}
        self._searches = {
            name: tf.function(search, input_signature=given, autograph=False) for name, search in searches.items()
        }
        self._text = tf.function(self.prompts.text)

    def _network(self):
        self.embeds = False
        specs = [spec for spec in self.tensor_specs() if spec.name != self.task.name]
        self._context = tf.function(self._context, input_signature=specs)

        def network(*inputs):
            given = dict(zip(self.model.input, inputs, strict=True))
            ids = given.pop(self.task.name)
            context = self._context(*given.values())
            return {"log_probabilities": score_tokens(self.decoder, self.captioner.head, context, ids)}

        return network

    def endpoints(self):
        raw = self.raw.specs()

        def column(name, dtype):
            return tf.TensorSpec((None,), dtype, name=name)

        prompt = column("prompt", tf.string)
        drawing = [column("temperature", tf.float32), column("top_k", tf.int32), column("top_p", tf.float32)]
        return {
            "serving_default": (self._greedy, raw),
            "caption": (self._caption, [*raw, prompt, column("strategy", tf.string)]),
            "caption_sample": (self._sample, [*raw, prompt, *drawing, column("seed", tf.int32)]),
            "tensors": (self._run, self.tensor_specs()),
        }

    def resources(self):
        self.prompts.vectorizer(tf.constant(["built before it is tracked"]))
        return [*super().resources(), self.prompts.vectorizer]

    def raw_examples(self, examples):
        raw = super().raw_examples(examples)
        rows = len(next(iter(raw.values())))
        # The commonest word stands for a prompt.
        return {
            **raw,
            "prompt": tf.constant(["", self.task.vocabulary[0]] * rows)[:rows],
            "strategy": tf.constant(["greedy", "beam"] * rows)[:rows],
            "temperature": tf.fill((rows,), 0.8),
            "top_k": tf.fill((rows,), 50),
            "top_p": tf.fill((rows,), 0.95),
            "seed": tf.range(rows),
        }

    def own_examples(self, raw):
        own = super().own_examples(raw)
        context, _ = self._encode(*(raw[spec.name] for spec in self.raw.specs()))
        told, _ = self._searches["greedy"](context, self.prompts.ids(tf.zeros_like(raw["prompt"])))
        return {**own, self.task.name: tf.concat([tf.fill((len(told), 1), 2), told[:, :-1]], axis=1)}

    def _context_inputs(self):
        return [name for name in self.model.input if name != self.task.name]

    def _context(self, *inputs):
        return self.captioner.encode_context(dict(zip(self._context_inputs(), inputs, strict=True)))

    def _encode(self, *raw):
        inputs, flags = self.raw.preprocess(*raw)
        return self._context(*(inputs[name] for name in self._context_inputs())), flags

    def _write(self, raw, prompts, search):
        """What a search makes of raw inputs: `search(context, ids of the prompts)`."""
        context, flags = self._encode(*raw)
        told, total = search(context, self.prompts.ids(prompts))
        return {"caption": self._text(prompts, told), "log_probability": total, **flags}

    def _greedy(self, *raw):
        prompts = tf.fill((tf.shape(raw[0])[0],), "")
        return self._write(raw, prompts, self._searches["greedy"])

    def _caption(self, *given):
        *raw, prompts, strategy = given
        known = tf.reduce_any([strategy == name for name in self._searches], axis=0)

        def search(context, ids):
            # An unknown strategy costs its own row, not those of other callers in the batch.
            rows = tf.shape(ids)[0]
            told, total = tf.zeros((rows, self.decoder.length), tf.int32), tf.fill((rows,), tf.float32.min)
            for name, function in self._searches.items():
                asked, before = strategy == name, (told, total)
                # Rows of one batch may ask for either: each is searched for only where somebody does.
                found = tf.cond(
                    tf.reduce_any(asked),
                    lambda function=function: function(context, ids),
                    lambda before=before: before,
                )
                told, total = tf.where(asked[:, None], found[0], told), tf.where(asked, found[1], total)
            return told, total

        return self._write(raw, tf.where(known, prompts, ""), search)

    def _sample(self, *given):
        *raw, prompts, temperature, top_k, top_p, seed = given

        def search(context, ids):
            choose = drawn(tf.shape(ids)[0], temperature, top_k, top_p, seed)
            return self._search(sample, choose=choose)(context, ids)

        return self._write(raw, prompts, search)

    def _search(self, function, **options):
        decoder, head = self.decoder, self.captioner.head
        return lambda context, ids: function(decoder, head, context, prompt=ids, **options)
