"""The command line on tables as people make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from cli_runs import complaint, hundred, report_of, rows_of, run, table_of, write_csv
from swiftbackprop._cli.columns import as_numbers
from swiftbackprop._cli.preprocessing import Preparation
from swiftbackprop._import.load import read_notes


@pytest.mark.parametrize(
    "mark", ["#N/A", "-", ".", "n.a.", "N.A.", "", "NULL", "?", "..", "#DIV/0!", "–", "nan", "-999"]
)
def test_marks_of_missing_cells(mark: str, tmp_path: Path) -> None:
    x, y = hundred()
    cells = [mark if n == 7 else str(value) for n, value in enumerate(x)]
    write_csv(tmp_path / "data.csv", "x,y", [cells, y])
    told = ["--missing=-1,-999"] if mark == "-999" else []
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 200, *told)
    assert report_of(done)["numbers"] == "x"
    assert float(report_of(done)["result"].split()[1].strip(",")) > 0.9  # r2
    table = table_of(tmp_path / "data.csv", missing=frozenset({"-999"}))
    np.testing.assert_array_equal(as_numbers(table, "x"), np.where(np.arange(90) == 7, np.nan, x))
    # In the target the row is left out.
    write_csv(tmp_path / "data.csv", "y,x", [y, cells])
    done = run(tmp_path, "train", "data.csv", "--target", "x", "--epochs", 1, *told)
    assert "90 rows; 'x' is a number\n1 row without 'x' left out" in report_of(done)["data"]


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("12 kg", "the unit in the column's name"), ("1,037", "--thousands , or --decimal ,"),
        ("$3", "write the number alone"), ("37%", "write the number alone"),
        ("\u22125", "- as its sign"), ("1,5", "--decimal ,"), ("unknown", "--missing=unknown"),
        ("<0.1", "write the number alone"), ("3 €", "write the number alone"),
    ],
)  # fmt: skip
def test_a_cell_that_is_no_number_among_numbers(cell: str, advice: str, tmp_path: Path) -> None:
    """Refused, with its line: it would make ninety texts of ninety numbers."""
    x, y = hundred()
    cells = [f'"{cell}"' if n == 7 else str(value) for n, value in enumerate(x)]
    write_csv(tmp_path / "data.csv", "x,y", [cells, y])
    for target in ("x", "y"):
        said = complaint(tmp_path, "train", "data.csv", "--target", target)
        assert f"data.csv, line 9: column 'x' holds numbers, but here '{cell}'" in said
        assert advice in said
        assert "--text x" in said
    said = complaint(tmp_path, "train", "data.csv", "--target", "y", "--drop", "x")
    assert "no column to predict 'y' from" in said
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--text", "x", "--epochs", 1)
    assert report_of(done)["texts"] == "x (54)"
    # Where all cells are written so, the column is not taken for names either.
    write_csv(tmp_path / "data.csv", "x,y", [[f'"{v:,.1f} kg"' for v in 1000 + x], y])
    said = complaint(tmp_path, "train", "data.csv", "--target", "y")
    assert "line 2: column 'x' holds numbers, but here '1,0" in said
    assert "and 89 more such cells" in said


def test_a_line_of_units(tmp_path: Path) -> None:
    x, y = hundred()
    write_csv(tmp_path / "data.csv", "x,y", [["m/s", *x], ["kg", *y]])
    said = complaint(tmp_path, "train", "data.csv", "--target", "y")
    assert "line 2: column 'y' holds numbers, but here 'kg'; if that is a line of units" in said


def test_a_cell_is_found_where_lines_are_longer_than_rows(tmp_path: Path) -> None:
    x, y = hundred()
    texts = ['"two\nlines"' if n == 1 else "one" for n in range(90)]
    cells = ["5x0" if n == 50 else value for n, value in enumerate(x)]
    write_csv(tmp_path / "data.csv", "x,text,y\n", [cells, texts, y])  # and an empty line
    for told in ([], ["--numeric", "x"]):
        said = complaint(tmp_path, "train", "data.csv", "--target", "y", *told)
        assert "line 54: column 'x' holds numbers, but here '5x0'" in said


def test_a_few_numbers_and_texts_are_categories_and_that_is_said(tmp_path: Path) -> None:
    sizes = ["1", "2", "3", "4", "XL"] * 18
    write_csv(tmp_path / "data.csv", "size,y", [sizes, hundred()[0]])
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1)
    assert report_of(done)["texts"] == "size (5)"
    assert "column 'size' is taken as texts, though most" in done.stderr
    assert "line 6 has 'XL'" in done.stderr


@pytest.mark.parametrize("thousands", [",", "'"])
def test_digits_in_groups_and_decimal_commas(thousands: str, tmp_path: Path) -> None:
    x = np.array([1234567.5, -1000.25, 12.0, 0.5])
    texts = [f'"{v:,}"'.replace(",", thousands) for v in x]
    write_csv(tmp_path / "data.csv", "x,y", [texts, range(4)])
    table = table_of(tmp_path / "data.csv", thousands=thousands)
    np.testing.assert_array_equal(as_numbers(table, "x"), x)
    (tmp_path / "data.tsv").write_text("x\ty\n1.000,5\t2,5\n-3,25\t1e3\n", "utf-8")
    table = table_of(tmp_path / "data.tsv", decimal=",", thousands=".")
    np.testing.assert_array_equal(as_numbers(table, "x"), [1000.5, -3.25])
    np.testing.assert_array_equal(as_numbers(table, "y"), [2.5, 1000])
    (tmp_path / "data.csv").write_text("x;y\n1,5;2\n-3,25;.5\n", "utf-8")
    table = table_of(tmp_path / "data.csv")
    np.testing.assert_array_equal(as_numbers(table, "x"), [1.5, -3.25])
    np.testing.assert_array_equal(as_numbers(table, "y"), [2, 0.5])


def test_an_index_and_empty_columns_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    x, y = hundred()
    rows = [f"{a},{b}" for a, b in zip(x, y, strict=True)]
    names = [f'"Mazda {n}"' for n in range(90)]
    forms = {
        "pandas": ["", ",x,y", *(f"{n},{row}" for n, row in enumerate(rows))],
        "again": ["", "Unnamed: 0,x,y", *(f"{n},{row}" for n, row in enumerate(rows))],
        "R": ["", '"","x","y"', *(f"{name},{row}" for name, row in zip(names, rows, strict=True))],
        "write.table": ["", '"x" "y"', *(
            f"{name} {row.replace(',', ' ')}" for name, row in zip(names, rows, strict=True))],
        "no name": ["", "x,y", *(f"{name},{row}" for name, row in zip(names, rows, strict=True))],
    }  # fmt: skip
    models = []
    for _, *lines in forms.values():
        (tmp_path / "data.csv").write_text("\n".join(lines), "utf-8")
        done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 3)
        said = report_of(done)
        assert said["numbers"] == "x"
        assert said["left out"] == "the first column: has no name: the index, or the names of rows"
        models.append((tmp_path / "data.safetensors").read_bytes())
        out = run(tmp_path, "predict", "data.safetensors", "data.csv").stdout
        assert rows_of(out)[0] == ["y"]
    for lines in (
        ["x,y,", *(f"{row}," for row in rows)],
        ["x,y", *(f"{row}," for row in rows)],
        ["x;y;;", *(f"{row.replace(',', ';')};;" for row in rows)],
    ):
        (tmp_path / "data.csv").write_text("\n".join(lines), "utf-8")
        done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 3)
        assert report_of(done)["numbers"] == "x"
        assert "column 3" in report_of(done)["left out"]
        assert "no name and no cells" in report_of(done)["left out"]
        models.append((tmp_path / "data.safetensors").read_bytes())
    assert len(set(models)) == 1


def test_spaces_and_tabs_between_the_cells(tmp_path: Path) -> None:
    want = [["a b", 1.5, "x, y"], ["c", -2.0, "z"]] * 5
    forms = {
        "spaces": ['"one", "two", "three"', *(f'"{a}", {b},  "{c}"' for a, b, c in want)],
        "behind": ['"one" ,"two" ,"three"', *(f'"{a}" ,{b} ,"{c}"' for a, b, c in want)],
        "padded": ["one,\ttwo,\tthree", *(f'{a},\t{b},\t"{c}"' for a, b, c in want)],
        "tabs": ["one\ttwo\tthree", *(f"{a}\t{b}\t{c}" for a, b, c in want)],
        "bars": ["one | two | three", *(f"{a} | {b} | {c}" for a, b, c in want)],
        "blanks": ["one  two three", *(f'"{a}"  {b} \t "{c}" ' for a, b, c in want)],
        "semicolons": ["one;two;three", *(f"{a};{b};{c}" for a, b, c in want)],
    }
    for what, lines in forms.items():
        (tmp_path / "data.txt").write_text("\n".join(lines) + "\n", "utf-8")
        table = table_of(tmp_path / "data.txt")
        assert list(table.frame) == ["one", "two", "three"], what
        assert table.frame["one"].tolist() == [row[0] for row in want], what
        assert table.frame["three"].tolist() == [row[2] for row in want], what
        np.testing.assert_array_equal(as_numbers(table, "two"), [row[1] for row in want])
        assert bool(table.notes) == (what == "blanks")
    (tmp_path / "data.txt").write_text("\n".join(forms["tabs"]).replace("\t", "^"), "utf-8")
    table = table_of(tmp_path / "data.txt", delimiter="^")
    assert table.frame.shape == (10, 3)


def test_encodings(tmp_path: Path) -> None:
    text = "größe,farbe\n" + "1,grün\n2,rot\n" * 10
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "mac-roman"):
        (tmp_path / "data.csv").write_bytes(text.encode(encoding))
        told = encoding if encoding == "mac-roman" else None
        table = table_of(tmp_path / "data.csv", encoding=told)
        assert list(table.frame) == ["größe", "farbe"]
        assert table.frame["farbe"].tolist()[:2] == ["grün", "rot"]
        assert ("Windows-1252" in "".join(table.notes)) == (encoding == "cp1252")
    said = complaint(tmp_path, "train", "data.csv", "--target", "y", "--encoding", "utf-8")
    assert "data.csv cannot be read as utf-8" in said
    said = complaint(tmp_path, "train", "data.csv", "--target", "y", "--encoding", "klingon")
    assert "no encoding of that name" in said


def test_comments_above_the_table(tmp_path: Path) -> None:
    x, y = hundred()
    np.savetxt(tmp_path / "data.txt", np.column_stack([x, y]), header="made by hand\nx y")
    table = table_of(tmp_path / "data.txt")
    assert list(table.frame) == ["x", "y"]
    np.testing.assert_array_equal(as_numbers(table, "y"), y)
    assert "begins with comments, up to line 1" in table.notes[0]
    assert table.place(0) == "line 3"
    write_csv(tmp_path / "data.csv", "# source: a, b and c; d\n# \nx,y", [x, y])
    table = table_of(tmp_path / "data.csv")
    assert list(table.frame) == ["x", "y"]
    assert (table.rows, table.place(0)) == (90, "line 4")
    write_csv(tmp_path / "data.csv", "#x,y", [x, y])
    table = table_of(tmp_path / "data.csv")
    assert list(table.frame) == ["x", "y"]
    assert (table.notes, table.place(0)) == ([], "line 2")


def test_columns_that_identify_rows_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = hundred()
    columns = [
        range(1, 91), rng.permutation(10**6)[:90], [f"ab-{n:05d}" for n in rng.permutation(90)],
        rng.permutation(90), range(1900, 1990), x, y,
    ]  # fmt: skip
    write_csv(tmp_path / "data.csv", "n,customerID,code,paid,year,x,y", columns)
    train = ("train", "data.csv", "--target", "y", "--epochs", 1)
    said = report_of(run(tmp_path, *train))
    assert said["numbers"] == "paid, year, x"
    numbers, texts = said["left out"].split("\n")[0], run(tmp_path, *train).stdout
    assert numbers == "n, customerID: identifies rows: each has a number of its own"
    assert "left out  code: identifies rows: each has a text of its own" in texts
    for drop in (["--drop", "paid,year"], ["--drop", "paid", "--drop", "year"]):
        done = run(tmp_path, *train, *drop)
        assert report_of(done)["numbers"] == "x"
        assert "left out  paid, year: --drop" in done.stdout
    assert "no column 'why'" in complaint(tmp_path, *train, "--drop", "x,why")
    assert report_of(run(tmp_path, *train, "--numeric", "n"))["numbers"] == "n, paid, year, x"
    assert report_of(run(tmp_path, *train, "--text", "code"))["texts"] == "code (54)"
    # A name with a comma is one name.
    write_csv(tmp_path / "data.csv", '"x,y",z', [x, y])
    refusal = complaint(tmp_path, "train", "data.csv", "--target", "z", "--drop", "x,y")
    assert "no column to predict 'z' from" in refusal
    # A count is better than nothing where there is nothing else.
    write_csv(tmp_path / "data.csv", "n,y", [range(90), y])
    assert report_of(run(tmp_path, *train))["numbers"] == "n"


def test_texts_beyond_a_hundred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    towns = [f"town {k}" for k in np.minimum(rng.geometric(0.01, 1000), 300)]
    write_csv(tmp_path / "data.csv", "town,y", [towns, rng.normal(size=1000)])
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1)
    assert report_of(done)["texts"] == "town (100)"
    assert "the 100 most frequent are inputs" in done.stderr


def test_dates(tmp_path: Path) -> None:
    days = np.arange(60) * 11
    when = pandas.Timestamp("2019-12-30") + pandas.to_timedelta(days, unit="D")
    forms = {
        "%Y-%m-%d": True, "%d.%m.%Y": True, "%m/%d/%Y": True, "%b %d, %Y": True,
        "%Y-%m-%dT%H:%M:%SZ": True, "%Y%m%d": True, "%d.%m.%y": True,
        "%Y.%m.%d": True, "%b-%d-%Y": True, "%m/%d/%Y %I:%M %p": True, "%b %Y": False,
        "%d/%m/%Y": True,
    }  # fmt: skip
    for form in forms:
        cells = [f'"{day:{form}}"' for day in when]
        write_csv(tmp_path / "data.csv", "when,x,y", [cells, *np.ones((2, 60)) * days])
        said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1,
                             "--task", "regression"))  # fmt: skip
        assert said["dates"] == "when", form
        notes = read_notes(tmp_path / "data.safetensors")["table"]
        preparation = Preparation.from_json(notes)
        frame = preparation.frame(table_of(tmp_path / "data.csv"))
        expected = when if forms[form] else when.to_period("M").to_timestamp()
        np.testing.assert_array_equal(frame["when"], (expected - pandas.Timestamp(0)).days)
    write_csv(tmp_path / "new.csv", "when,x", [["30/12/2019", "next week"], [1, 2]])
    refusal = complaint(tmp_path, "predict", "data.safetensors", "new.csv")
    assert (
        "new.csv, line 3: column 'when' holds dates such as 31/12/2024, but here 'next w" in refusal
    )
    # Day first or month first: that cannot be told, and the texts are left out.
    cells = [f"{1 + n % 12:02}/{1 + n % 11:02}/2020" for n in range(60)]
    write_csv(tmp_path / "data.csv", "when,x,y", [cells, days, days])
    said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1))
    assert "when: " in said["left out"]
    assert "dates" not in said
    stderr = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1).stderr
    assert (
        "column 'when' may hold dates with the day or the month first, such as '01/01/2020'"
        in stderr
    )
    assert "write 2024-12-31" in stderr


@pytest.mark.parametrize("form", ["10.0.{}.7", "{}.12.3", "v2.{}.0"])
def test_addresses_and_versions_are_no_numbers(form: str, tmp_path: Path) -> None:
    x, y = hundred()
    cells = [form.format(n % 30) for n in range(90)]
    write_csv(tmp_path / "data.csv", "at,x,y", [cells, x, y])
    said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1))
    assert said["texts"] in ("at (29)", "at (30)")  # one may be in no row to train on
