"""NDCG@10 of each recommender with its 95% interval, best on top."""

from pathlib import Path
from typing import Any

OURS, OTHERS, FAINT = "#c2410c", "#475569", "#e2e8f0"


def draw_chart(report: dict[str, Any], file: Path) -> None:
    """PNG or SVG, as the file's name ends; the same report gives the same picture."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = sorted(report["results"], key=lambda row: (row["ndcg@10"], row["recommender"]))
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "palate", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 1.5 + 0.38 * len(rows)), dpi=160)
        # Inches of air.
        figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.12)
        axes = figure.add_subplot()
        _draw_rows(axes, rows)
        axes.set_title(f"{report['dataset']}, {report['protocol']}", loc="left", fontsize=13, fontweight="bold", pad=26)
        about = f"{report['n_cases']:,} users asked, {report['n_items']:,} items ranked; lines are 95% intervals over users"
        axes.annotate(about, (0, 1), (0, 10), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=OTHERS)
        file.parent.mkdir(parents=True, exist_ok=True)
        # A date in the file would make it another file every time.
        figure.savefig(file, metadata={"Date": None} if file.suffix.lower() == ".svg" else None)


def _draw_rows(axes: Any, rows: list[dict[str, Any]]) -> None:
    top = max([row["ci95"][1] for row in rows] + [1e-3])
    for place, row in enumerate(rows):
        low, high = row["ci95"]
        colour = OURS if _is_ours(row["recommender"]) else OTHERS
        axes.barh(place, row["ndcg@10"], height=0.62, color=colour, alpha=0.22, zorder=2)
        axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round", zorder=3)
        axes.plot(row["ndcg@10"], place, "o", color=colour, markersize=5, zorder=4)
        axes.annotate(f"{row['ndcg@10']:.3f}", (high, place), (7, 0), textcoords="offset points", va="center", fontsize=9, color=colour)
    axes.set_yticks(range(len(rows)), [row["recommender"] for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, top * 1.1)
    axes.set_xlabel("NDCG@10")
    axes.grid(axis="x", color=FAINT, zorder=0)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(FAINT)


def _is_ours(name: str) -> bool:
    return name.endswith(("(served)", "(palate)")) or name.startswith(("next-item", "two-tower"))
