"""The eight semantic clusters of CIFAR-100's classes that the paper uses (its Table 5).

They come from embeddings of the classes' names, so they are semantic, not visual, and of very unequal size: 4 to 28
classes.
"""

from __future__ import annotations

_CLASSES = {
    "aquatic animals": """
        aquarium_fish dinosaur dolphin flatfish ray seal shark trout whale
    """,
    "people and objects": """
        baby bed bicycle bottle bowl boy bridge can castle chair clock couch cup girl house keyboard lamp
        man plain plate road rocket skyscraper table telephone television wardrobe woman
    """,
    "mammals": """
        bear beaver camel cattle chimpanzee elephant fox hamster kangaroo leopard lion mouse otter porcupine
        possum rabbit raccoon shrew skunk squirrel tiger wolf
    """,
    "reptiles and insects": """
        bee beetle butterfly caterpillar cockroach crab crocodile lizard lobster mushroom snail snake spider
        turtle worm
    """,
    "vehicles": """
        bus lawn_mower motorcycle pickup_truck streetcar tank tractor train
    """,
    "natural scenes": """
        cloud forest maple_tree mountain oak_tree palm_tree pine_tree sea willow_tree
    """,
    "fruits": """
        apple orange pear sweet_pepper
    """,
    "flowers": """
        orchid poppy rose sunflower tulip
    """,
}
CLUSTERS = {name: cluster for cluster, names in _CLASSES.items() for name in names.split()}  # class -> cluster
