"""Models by what they score and how long a request takes."""

from matplotlib.figure import Figure

from kerasfusion.evaluation.charts import draw_score_and_latency
from kerasfusion.evaluation.figures import figure_style, save_figure


@figure_style()
def draw(found, latency, joined, path):
    """Write the image.

    Args:
        found: A `TaskComparison`.
        latency: Name -> milliseconds; models that are not in it are left out.
        joined: Names of the models that join modalities, drawn in the accent's color.
        path: The PNG file.
    """
    figure = Figure(figsize=(9, max(4, 0.24 * len(latency) + 1)), layout="constrained")
    axes = figure.subplots()
    draw_score_and_latency(axes, found, latency, joined, 0.22 / (figure.get_figheight() - 0.7))
    axes.set_ylabel(f"{found.metric}, mean and 95 % interval")
    axes.grid(alpha=0.3)
    save_figure(figure, path, dpi=120)
