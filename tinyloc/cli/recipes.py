"""`tinyloc recipes`: what there is to train."""

from tinyloc.cli.console import output
from tinyloc.cli.outputs import JsonOption, write_json


def recipes(json: JsonOption = None) -> None:
    """List the recipes that come with tinyloc."""
    from rich.markup import escape
    from rich.table import Table

    from tinyloc.training.recipe import load_recipe, recipe_names

    found = {name: load_recipe(name) for name in recipe_names()}
    table = Table("recipe", "title", "data", "model", "arithmetic", box=None, header_style="bold", pad_edge=False)
    for name, recipe in found.items():
        table.add_row(name, escape(recipe.title), recipe.data.name, recipe.model.architecture, recipe.export.default)
    output().print(table)
    write_json(json, [{"name": name, **recipe.model_dump(mode="json")} for name, recipe in found.items()])
