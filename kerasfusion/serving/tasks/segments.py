"""Segments of a video, served as their numbers, and chosen by `summarize`."""

from kerasfusion.serving.tasks.multilabel import ServedMultilabel


class ServedSegments(ServedMultilabel):
    """Every segment above one half, as tags are; `summarize` chooses by a share of the video."""

    spare_bytes = 100_000

    def signatures(self, model, schema, convert, gallery):
        from kerasfusion.serving.segment_signatures import SegmentSignatures

        return SegmentSignatures(model, schema, convert)
