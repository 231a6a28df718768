"""What methods and routers are called, wherever people read of them."""

from __future__ import annotations

# control -> (title, what it is); in the order in which a run trains and lists them
CONTROLS = {
    "random": ("Random masks", "masks drawn at random with each ticket's own layer densities"),
    "permuted": ("Tickets swapped between subsets", "the same tickets, each given to another subset"),
    "reinitialised": ("Tickets over fresh weights", "the same tickets over another draw of initial weights"),
    "imp_single": ("One mask, a ticket's density", "one mask for all subsets, as dense as one ticket"),
    "imp_single_ovr": ("One mask, one-vs-rest outputs", "one mask trained like the tickets, one output per subset"),
    "imp_single_union": ("One mask, same stored weights", "one mask that stores as many weights as all tickets do"),
    "imp_multi": ("Separate networks", "a network of its own for every subset"),
    "dense": ("Dense network, no mask", "all weights kept"),
    "random_same_total": ("Random masks, RTL's total steps", "random masks that train for RTL's total steps"),
    "dense_same_total": ("Dense network, RTL's total steps", "all weights kept, for RTL's total steps"),
    "imp_multi_full_budget": ("Separate networks, full budget", "a network for every subset, with all steps each"),
    "random_same_storage": (
        "Random masks, same stored weights",
        "random masks inside a random union that stores as much as the tickets, for RTL's total steps",
    ),
    "imp_single_union_argmax": (
        "One multi-class mask, same stored weights",
        "one network that tells the subsets apart, with as many weights as all tickets store",
    ),
    "dense_small": (
        "One small dense network",
        "narrower and without a mask, with about as many weights as all tickets store, for RTL's total steps",
    ),
    "dense_small_multi": (
        "Small separate networks",
        "a narrower network for every subset, together with about as many weights as all tickets store",
    ),
}
# Those at equal storage, which a run trains where they are asked for
AT_EQUAL_STORAGE = ("random_same_storage", "imp_single_union_argmax", "dense_small", "dense_small_multi")
METHODS = {
    "rtl": ("RTL tickets", "the tickets of this run"),
    **CONTROLS,
    "imp_single_odds": (
        "One mask, answers at the odds",
        "the same mask, saying yes where a class is likelier than usual",
    ),
    "imp_single_union_argmax_odds": (
        "One multi-class mask, same stored weights, at the odds",
        "the same mask, saying yes where a class is likelier than usual",
    ),
}
# router -> (title, what it is called as the subject of a sentence)
ROUTERS = {
    "oracle": ("Oracle (told the subset)", "The oracle"),
    "context": ("Context (told the subset)", "The context"),
    "max_response": ("Strongest ticket answers", "Asking every ticket who claims most"),
    "min_entropy": ("Most certain ticket answers", "Asking every ticket who is surest"),
    "gate": ("Learned gate", "The gate"),
    "centroid": ("Nearest centroid", "The nearest centroid"),
    "one_shot_gradient": ("One-shot gradient", "The one-shot gradient"),
    "top2": ("The gate's two best, mixed", "Mixing the gate's two best tickets"),
    "hierarchical": ("Coarse to fine", "The tree of tickets"),
}


def method_words(name: str) -> tuple[str, str]:
    """(title, what it is), also of a method that is not known here."""
    return METHODS.get(name, (name.replace("_", " "), ""))


def router_words(name: str) -> tuple[str, str]:
    """(title, what it is called as the subject of a sentence), also of a router that is not known here."""
    return ROUTERS.get(name, (name.replace("_", " "),) * 2)
