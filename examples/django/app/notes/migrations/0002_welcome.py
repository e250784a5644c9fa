"""The first note, so that a fresh board shows that its migrations have run."""
from django.db import migrations


def write(apps, schema_editor):
    apps.get_model("notes", "Note").objects.create(text="The board is open.")


class Migration(migrations.Migration):
    dependencies = [("notes", "0001_initial")]
    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
