"""Which recorded figures head the index of experiments and the tables of the zoo. Rendered by tables.py.

A figure is (label, CSV file, model, metric): it must exist as a row, or tables.py fails.
"""

# Article section, script, what it shows, headline figures.
TUTORIALS = (
    ("000 §5.2", "01_joint_vqa", "the article's joint network, repaired", ()),
    (
        "000 §5.2",
        "02_relational_vqa",
        "all fusions on Sort-of-CLEVR",
        [
            (
                "relational accuracy",
                "relational_vqa",
                "vqa_memory, mean over seeds, 45 minutes, mirrored",
                "accuracy (relational)",
            )
        ],
    ),
    (
        "001 §4",
        "03_image_tagging",
        "CIFAR-10; softmax taken for logits",
        [("accuracy", "image_tagging", "tagger_residual", "accuracy")],
    ),
    (
        "000 §6.2",
        "04_medical_notes",
        "notes that leak the diagnosis",
        [
            ("AUROC fused", "medical_notes", "all rows: fused", "AUROC"),
            ("text only", "medical_notes", "all rows: text only", "AUROC"),
        ],
    ),
    (
        "000 §3.1.1, 4.1.2",
        "05_contrastive_retrieval",
        "image-text retrieval, five losses",
        [
            (
                "R@1 text to image",
                "contrastive_retrieval",
                "dual_pretrained, info_nce, minilm, efficientnet_lite0",
                "R@1 text to image",
            )
        ],
    ),
    (
        "000 §4.1.1",
        "06_recommending",
        "ratings, genres, new films",
        [("RMSE new films", "recommending", "CMF, genres and tags", "RMSE, new films")],
    ),
    (
        "000 §4.1.3",
        "07_joint_factorization",
        "retrieval by factorization",
        [("rsum", "joint_factorization", "joint factorization, whitened", "rsum")],
    ),
    (
        "004 §3.1, 4",
        "08_captioning",
        "captions: one vector or attention",
        [("CIDEr", "captioning", "caption_attend, efficientnet_lite0, beam of 3", "CIDEr")],
    ),
    (
        "002 §3.2",
        "09_fusion_transformer",
        "image and text read together",
        [("exact captions", "fusion_transformer", "α = 0", "scenes described exactly")],
    ),
    (
        "004 §3.2",
        "10_tag_sequences",
        "tags as a sequence",
        [("F1", "tag_sequences", "written, looking for each word", "F1")],
    ),
    (
        "003 §3, 4",
        "11_transfer",
        "features, teachers, LoRA",
        [
            (
                "distilled student",
                "transfer",
                "knowledge transfer, 64 labels: taught, all pairs",
                "accuracy",
            )
        ],
    ),
    (
        "000 §3.1.2",
        "12_reasoning",
        "posteriors, questions, rules",
        [("accuracy of the part", "reasoning", "joint: product of experts", "accuracy (part)")],
    ),
    (
        "001 §3",
        "13_autoencoder",
        "one code for image and text",
        [("word F1", "autoencoder", "plain, from the image", "f1 of the words")],
    ),
    (
        "001 §3",
        "14_text_to_image",
        "a text-to-image GAN",
        [("attributes", "text_to_image", "generator", "accuracy")],
    ),
    (
        "000 §3.3",
        "15_few_labels",
        "pretraining, pseudo-labels, active learning",
        [("accuracy, 192 labels", "few_labels", "all three, 192 labels", "accuracy")],
    ),
    (
        "000 §1.2, 2.1",
        "16_modal_augmentation",
        "missing modalities imputed",
        [
            (
                "accuracy without note",
                "modal_augmentation",
                "vectors predicted, branches from pairs",
                "accuracy, without the note",
            )
        ],
    ),
    (
        "000 §6.2",
        "17_medical_vqa",
        "radiology questions",
        [
            ("closed questions", "medical_vqa", "closed: pretrained_multiply", "accuracy"),
            ("text only", "medical_vqa", "closed: text only", "accuracy"),
        ],
    ),
    (
        "000 §1.1, 2.1",
        "18_three_modalities",
        "audio, image, text: any missing",
        [("accuracy", "three_modalities", "modality dropout", "accuracy, audio + image + text")],
    ),
    (
        "002 §6.4",
        "19_inspection",
        "defect and box, noisy measurements",
        [
            ("accuracy", "inspection", "both, modality dropout", "accuracy"),
            ("IoU", "inspection", "both, modality dropout", "mean IoU"),
            ("mean box", "inspection", "mean box", "mean IoU"),
        ],
    ),
    (
        "000 §3.2.1; 004 §2",
        "20_grounding",
        "which object a sentence means",
        [
            ("found", "grounding", "words and cells", "accuracy at IoU 0.5"),
            ("relations", "grounding", "words and cells", "accuracy at IoU 0.5, relation"),
            (
                "left out of the text",
                "grounding",
                "words and cells, relation left out of the text",
                "accuracy at IoU 0.5, relation",
            ),
        ],
    ),
    (
        "000 §6.3",
        "21_video_summary",
        "the summary a sentence asks for",
        [
            ("F1", "video_summary", "frames + query", "F1"),
            ("frames alone", "video_summary", "frames alone", "F1"),
        ],
    ),
    (
        "002 §6.1",
        "22_visual_recommending",
        "films by poster, title and behavior",
        [
            ("NDCG two towers", "visual_recommending", "two towers", "NDCG@20, all films"),
            ("CMF", "visual_recommending", "CMF", "NDCG@20, all films"),
            ("new films", "visual_recommending", "two towers", "NDCG@20, new films"),
            ("VBPR", "visual_recommending", "VBPR", "NDCG@20, new films"),
        ],
    ),
    (
        "000 §3.4",
        "23_faces",
        "two images: the same person?",
        [
            ("error half hidden: with text", "faces", "half hidden: image + text", "EER"),
            ("image alone", "faces", "half hidden: image alone", "EER"),
        ],
    ),
    (
        "002 §3.4, 6.4",
        "24_driving",
        "camera, command, speed: a closed loop",
        [
            ("forks taken", "driving", "track: branch per command", "reached"),
            ("no command", "driving", "track: no command", "reached"),
        ],
    ),
    (
        "002 §6.4",
        "25_smart_home",
        "camera and sensors, one of them fails",
        [
            ("accuracy", "smart_home", "home: modality dropout", "accuracy"),
            ("plug fails", "smart_home", "home: modality dropout, plug fails", "accuracy"),
            ("late fusion", "smart_home", "home: late fusion", "accuracy"),
        ],
    ),
    (
        "000 §3.1.1; 004 §4",
        "26_chinese",
        "Chinese, by character and by word",
        [
            ("CIDEr by characters", "chinese", "captions by characters, beam", "CIDEr"),
            ("by words", "chinese", "captions by words, beam", "CIDEr"),
        ],
    ),
    (
        "000 §6.4",
        "27_video_dialogue",
        "video, sound and history, each needed",
        [
            ("accuracy", "video_dialogue", "video + sound + history", "accuracy"),
            ("ceiling without sound", "video_dialogue", "ceiling without sound", "accuracy"),
        ],
    ),
)

# Result page, what it measures, headline figures.
BENCHMARKS = (
    ("demo", "the demo's accuracy", [("", "demo", "vqa_mac", "accuracy")]),
    ("shapes_relations", "its harder questions", [("", "shapes_relations", "vqa_mac, 60 epochs", "accuracy")]),
    ("easy_vqa", "easy-VQA test set", [("", "easy_vqa", "vqa_film, seed 0", "accuracy")]),
    ("compare_emoji", "zoo classifiers, emoji", [("", "compare_emoji", "article_joint", "accuracy")]),
    (
        "comparison_errors",
        "false differences among 20 equal models, 3 seeds",
        [
            (
                "",
                "comparison_errors",
                "3 seeds, seed deviation equal, 0.4",
                "false differences, 20 models",
            )
        ],
    ),
    (
        "fit_speed",
        "`fit` / PyTorch time",
        [("", "fit_speed", "classifier_lstm: fit", "time / PyTorch's faster layout")],
    ),
    (
        "fusion_operators",
        "slowest fusion / plain ops",
        [("", "fusion_operators", "the slowest of all", "time / lean")],
    ),
    ("pipeline", "step / one batch in memory", [("", "pipeline", "pixels in memory", "steps / on one batch")]),
    (
        "kill_and_resume",
        "weight difference",
        [("", "kill_and_resume", "killed and resumed", "largest difference of a weight")],
    ),
    (
        "small_tables",
        "default minus bag of words, emoji",
        [
            (
                "",
                "small_tables",
                "noto_emoji: pretrained_multiply against bag of words + linear model",
                "accuracy gained",
            )
        ],
    ),
    (
        "modality_dropout",
        "gain, image missing",
        [("", "modality_dropout", "modality dropout 0.3, minus none", "accuracy, image missing")],
    ),
    (
        "factorization",
        "time / cmfrec, 20M",
        [("", "factorization", "kerasfusion cg, 20M", "seconds / the fastest peer")],
    ),
    ("serving_latency", "ms, batch 1", [("", "serving_latency", "serving_default", "milliseconds, batch 1")]),
    ("serving_load", "p99 ms, 50 clients", [("", "serving_load", "50 clients", "p99 milliseconds")]),
    (
        "export_formats",
        "ms LiteRT, batch 1",
        [("", "export_formats", "vqa_film: LiteRT int8, 1 thread", "milliseconds, batch 1")],
    ),
    ("search", "ms, 100,000 images", [("", "search", "SavedModel, search", "ms, batch 1, 100,000 x 256")]),
    ("caption_latency", "ms, 10 tokens", [("", "caption_latency", "caption_lstm, greedy", "ms, 10 words")]),
)

_EMOJI = ("compare_emoji", "{name}", "accuracy")
_VQA = ("relational_vqa", "{name}, seed 0, 6 minutes", "accuracy (relational)")

# The zoo by task: prefixes of names, the one metric, and where a model's figure is (default: by its own name).
ZOO = (
    {
        "title": "Classification of text and image",
        "models": (
            "classifier_",
            "article_joint",
            "late_average",
            "text_only",
            "image_only",
            "wide_",
            "pretrained_",
        ),
        "metric": "accuracy, emoji",
        "note": "1,295 emoji with names, 130 test rows, three seeds "
        "([page](../../experiments/results/compare_emoji.md)). "
        "`classifier_mobilenet`: one seed, ImageNet weights, 96 px instead of 32.",
        "default": _EMOJI,
        "figures": {
            # Defaults: measured on several tables by benchmarks/small_tables.py.
            "wide_deep": None,
            "wide_film": None,
            "pretrained_wide": None,
            "pretrained_multiply": None,
            "pretrained_mixed": None,
            "pretrained_text": None,
            "pretrained_image": None,
            "classifier_mobilenet": ("zoo_emoji", "classifier_mobilenet", "accuracy"),
            # One seed: trained again after a change to its text branch.
            "classifier_transformer": ("zoo_emoji", "classifier_transformer", "accuracy"),
            "late_average": ("compare_emoji", "late average", "accuracy"),
            "text_only": ("compare_emoji", "text only", "accuracy"),
            "image_only": ("compare_emoji", "image only", "accuracy"),
        },
    },
    {
        "title": "Labels from other kinds of input",
        "models": ("mixed_", "numeric_only", "categorical_only", "boxes_only", "signal_only", "video_only"),
        "metric": "accuracy",
        "note": "For tables without text or without images. Not measured yet.",
        "default": None,
        "figures": {},
    },
    {
        "title": "Visual question answering",
        "models": ("vqa_",),
        "metric": "relational accuracy, Sort-of-CLEVR",
        "note": "6 minutes of training on one core, one seed, the same encoders for all "
        "([page](../../experiments/results/02_relational_vqa.md), with longer runs). "
        "`vqa_film` and `vqa_multiply` stand for their fusions with these encoders. A model that counts and compares "
        "no distances reaches 79.2 %.",
        "default": _VQA,
        "figures": {
            "vqa_branched": None,
            "vqa_film": ("relational_vqa", "film, these encoders, seed 0, 6 minutes", "accuracy (relational)"),
            "vqa_multiply": (
                "relational_vqa",
                "multiply, these encoders, seed 0, 6 minutes",
                "accuracy (relational)",
            ),
        },
    },
    {
        "title": "Referring expressions",
        "models": ("ground_",),
        "metric": "accuracy at IoU 0.5, shapes",
        "note": "Which object of a scene is meant ([page](../../experiments/results/20_grounding.md)). The image "
        "encoder was trained as a detector first.",
        "default": None,
        "figures": {},
    },
    {
        "title": "Image tagging",
        "models": ("tagger_", "article_tagging"),
        "metric": "accuracy, CIFAR-10",
        "note": "15,000 images of CIFAR-10, one seed ([page](../../experiments/results/03_image_tagging.md)).",
        "default": ("image_tagging", "{name}", "accuracy"),
        "figures": {},
    },
    {
        "title": "Image-text retrieval",
        "models": ("dual_",),
        "metric": "R@1 text to image, emoji",
        "note": "Emoji and their names ([Flickr8k](../../experiments/results/05_contrastive_retrieval.md) for "
        "`dual_gru_mobilenet` and `dual_pretrained`). `dual_clip` needs pretrained weights and was only run with "
        "random ones.",
        "default": ("zoo_emoji", "{name}", "R@1 text to image"),
        "figures": {
            "dual_gru_mobilenet": ("contrastive_emoji", "dual_gru_mobilenet, info_nce", "R@1 text to image"),
            "dual_clip": None,
            "dual_pretrained": None,
        },
    },
    {
        "title": "Image captioning",
        "models": ("caption_", "fusion_transformer"),
        "metric": "CIDEr, Flickr8k, greedy",
        "note": "Photos at 128 px, our split ([page](../../experiments/results/08_captioning.md)). `caption_gru` and "
        "[`fusion_transformer`](../../experiments/results/09_fusion_transformer.md) were measured on "
        "drawn scenes only.",
        "default": ("captioning", "{name}, greedy", "CIDEr"),
        "figures": {"caption_gru": None, "fusion_transformer": None},
    },
)
