"""Tasks with signatures of their own: captions and retrieval."""

from kerasfusion.serving.tasks.base import ServedTask


class ServedCaptioning(ServedTask):
    """A captioner's loops: greedy, beam search and sampling."""

    spare_bytes = 300_000
    convertible = False

    def signatures(self, model, schema, convert, gallery):
        from kerasfusion.serving.caption_signatures import CaptionSignatures

        return CaptionSignatures(model, schema)


class ServedRetrieval(ServedTask):
    """A dual encoder's towers, and the searches in its gallery."""

    def signatures(self, model, schema, convert, gallery):
        from kerasfusion.serving.dual_signatures import DualSignatures

        return DualSignatures(model, schema, convert, gallery)
