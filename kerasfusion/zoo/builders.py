"""The builders of `kerasfusion.models`, imported when first called: listing the zoo must not wait for TensorFlow."""


def fusion_model(schema, **settings):
    """`kf.models.fusion_model`."""
    from kerasfusion.models import fusion_model

    return fusion_model(schema, **settings)


def late_average(schema, **settings):
    """`kf.models.late_average`."""
    from kerasfusion.models import late_average

    return late_average(schema, **settings)


def grounder(schema, **settings):
    """`kf.models.grounder`."""
    from kerasfusion.models import grounder

    return grounder(schema, **settings)


def captioner(schema, **settings):
    """`kf.models.captioner`."""
    from kerasfusion.models import captioner

    return captioner(schema, **settings)


def dual_encoder(schema, **settings):
    """`kf.models.dual_encoder`."""
    from kerasfusion.models import dual_encoder

    return dual_encoder(schema, **settings)
