"""`tinyloc recipes`: what there is to train."""


def recipes() -> None:
    """List the recipes that come with tinyloc."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from tinyloc.training.recipe import load_recipe, recipe_names

    table = Table("recipe", "what", "data", "model", "arithmetic", box=None, header_style="bold", pad_edge=False)
    for name in recipe_names():
        recipe = load_recipe(name)
        table.add_row(name, escape(recipe.title), recipe.data.name, recipe.model.architecture, recipe.export.default)
    Console().print(table)
