"""Boxes, served with the signature `ground`."""

from kerasfusion.serving.tasks.base import ServedTask


class ServedBox(ServedTask):
    """One box in one image: also in pixels of the image that was sent. Beside other tasks it is served with them."""

    # The size of the sent image is read by the graph, for boxes in pixels.
    spare_bytes = 300_000

    def signatures(self, model, schema, convert, gallery):
        from kerasfusion.serving.ground_signatures import GroundSignatures

        whole = len(schema.tasks) == 1 and len([f for f in schema.of_kind("image") if f.name in model.input]) == 1
        return GroundSignatures(model, schema, convert) if whole else None
