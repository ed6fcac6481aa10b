"""What is found in chapter 4's figures and tables: each sentence from a tiny table."""

import math

import pandas as pd
import pytest

from rnnreport.claims.stated import claims
from rnnreport.experiments import text as experiments
from rnnreport.experiments.text_recipes import LONGER_THAN_OTHERS, RECIPES
from rnnreport.experiments.text_recipes import REPORTED as ACCURACIES
from rnnreport.figures import text as drawn
from rnnreport.figures import text_tables as tables

REPORTED = [(10, 0.5), (90, 0.6)]


def first_steps(**held_out):
    return pd.DataFrame(
        {"step": [0, 60, 60], "seed": [0, 0, 1], "loss": [9, 3, 4], "accuracy": [0, 0.1, 0.2], **held_out}
    )


def test_the_first_steps_are_told_as_means_of_the_last():
    held_out = {"held_out_loss": [9, 3, 3.5], "held_out_accuracy": [0, 0.1, 0.15], "bits_per_character": [9, 4, 5]}
    assert drawn.after_first_steps(first_steps(**held_out)) == (
        "After 60 steps the loss is 3.50 and the accuracy 0.150 on training batches, 3.25 and 0.125 on held-out text."
    )
    assert drawn.first_bits(first_steps(**held_out)) == "That held-out loss is 4.50 bits per character."


def test_a_text_too_short_to_hold_out_is_told_without():
    assert drawn.after_first_steps(first_steps()) == (
        "After 60 steps the loss is 3.50 and the accuracy 0.150 on training batches."
    )
    assert drawn.first_bits(first_steps()) == "The text is too short to hold any of it out."


def long_training():
    """The long training, of seed 0, two more seeds of its beginning and another optimizer."""
    rows = [
        ("whole", 0, 10, 0.51, 0.4), ("whole", 0, 90, 0.65, 0.5), ("more seeds", 1, 10, 0.52, 0.4),
        ("more seeds", 2, 10, 0.53, 0.4), ("RMSprop", 1, 10, 0.55, 0.4),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["training", "seed", "step", "accuracy", "held_out_accuracy"])
    return table.assign(loss=1.5, bits_per_character=2.5)


def test_the_long_training_is_told_beside_the_report():
    assert drawn.long_accuracy(long_training(), REPORTED) == (
        "After 90 steps the network guesses 65.0% of characters right in training batches and 50.0% in held-out text; "
        "the report gives 60%."
    )
    assert drawn.long_accuracy(long_training().drop(columns="held_out_accuracy"), []) == (
        "After 90 steps the network guesses 65.0% of characters right in training batches."
    )
    assert drawn.other_trainings(long_training(), REPORTED) == (
        "more seeds: 0.520 to 0.530 after 10 steps, with 2 seeds; the longest training has 0.510 by then. "
        "RMSprop: 0.550 after 10 steps, with 1 seed; the longest training has 0.510 by then."
    )
    assert drawn.is_it_the_optimizer(long_training(), REPORTED) == (
        "No: after 10 steps the accuracy is 0.550 with RMSprop and 0.510 with Adam, so Adam is nearer to the report's "
        "0.5."
    )
    nearer = drawn.is_it_the_optimizer(long_training(), [(10, 0.6)])
    assert nearer.startswith("It may be: after 10 steps")
    assert nearer.endswith("so RMSprop is nearer to the report's 0.6.")
    assert drawn.is_it_the_optimizer(long_training()[:4], REPORTED) == ""
    assert drawn.is_it_the_optimizer(pd.DataFrame(), REPORTED) == ""
    assert tables.ahead(long_training(), REPORTED) == (
        "Our accuracy on training batches differs from the report's by +0.010 to +0.050."
    )


@pytest.mark.parametrize(("step", "accuracy"), ACCURACIES)
def test_a_claim_about_an_accuracy_is_of_the_reports_step_and_allows_two_hundredths(step, accuracy):
    claim = claims()[f"text-{100 * accuracy:03.0f}"]
    assert f"{step:,} steps" in claim.claim
    assert claim.within == (pytest.approx(accuracy - 0.02), pytest.approx(accuracy + 0.02))


def test_the_table_beside_the_report_has_its_steps_and_the_range_of_other_seeds():
    table = tables.beside_the_report(long_training(), REPORTED)
    assert table.index.tolist() == ["10", "90"]
    assert table.loc["10"].tolist() == ["0.5", "0.510", "0.520 to 0.530", "0.400", "1.500", "2.500"]
    assert table.loc["90", "our accuracy, other seeds"] == ""
    alone = long_training().query("training == 'whole'")
    assert tables.beside_the_report(alone, REPORTED)["our accuracy, other seeds"].tolist() == ["", ""]


def test_the_bound_is_that_of_the_reported_accuracy():
    points = pd.DataFrame({"loss": [2.0, 1.0], "accuracy": [0.4, 0.7]})
    assert drawn.below_the_bound(points, (0.5, 0.1)) == (
        "A loss of 0.1 is impossible with an accuracy of 0.5, which means at least 0.347; the lowest loss here "
        "is 1.000."
    )
    assert drawn.below_the_bound(points, (0.5, 0.4)).startswith("A loss of 0.4 is possible with")


def test_the_report_s_newlines_agree_where_their_interval_holds_our_share():
    rows = [("training", 0.2, 0.9), ("training", 0.6, 0.5), ("temperature", 0.5, 0.0), ("temperature", 1.5, 0.1)]
    table = pd.DataFrame(rows, columns=["part", "at", "share"])
    printed = {
        "training": [{"accuracy": 0.4, "text": "\n\n\na"}],  # ours is 0.7 there
        "temperature": [{"temperature": 1.0, "text": "\n" * 30}],
    }
    assert drawn.agreeing(table, printed) == (
        "In 1 of 2 comparisons the share of newlines in the report's sample agrees with how often our network is "
        "undecided."
    )
    assert drawn.without_favourite_from_to(table, printed) == (
        "Our network is undecided in a share of 0.50 to 0.90 over training and 0.00 to 0.10 over temperature. "
        "Different samples of the report: 2."
    )


def memory(held_out):
    return pd.DataFrame({"step": [0, 10, 100], "training": [6.0, 2.0, 1.0], "held_out": held_out})


def test_memory_of_the_book_is_what_comes_after_the_best_step():
    curve = pd.DataFrame({"step": [10, 100], "held_out_accuracy": [0.6, 0.61]})
    assert drawn.parting(memory([6.0, 2.5, 3.0])) == (
        "From step 10 to 100 a character of training text goes from 2.00 to 1.00 bits, one of held-out text from 2.50 "
        "to 3.00."
    )
    assert drawn.memory_share(memory([6.0, 2.5, 3.0]), curve) == (
        "From step 0 to the end a character of training text has become cheaper by 5.00 bits, one of held-out text by "
        "3.00: 40% of what was learned holds for the training text only. From step 10 on the accuracy on held-out "
        "windows went from 0.600 to 0.610."
    )


def test_a_training_that_ends_at_its_best_has_nothing_after_it():
    assert drawn.parting(memory([6.0, 2.5, 2.0])) == (
        "Held-out text is read best at the last step: 2.00 bits per character, 1.00 on training text."
    )
    assert drawn.memory_share(memory([6.0, 2.5, 2.0]), pd.DataFrame()) == (
        "From step 0 to the end a character of training text has become cheaper by 5.00 bits, one of held-out text by "
        "4.00: 20% of what was learned holds for the training text only."
    )
    assert "by 5.10: nothing of what was learned" in drawn.memory_share(memory([6.0, 2.5, 0.9]), pd.DataFrame())


def test_copies_are_told_beside_those_of_held_out_text():
    rows = [
        ("held-out text itself", 8, 0.5),
        ("held-out text itself", 16, 0.01),
        ("written", 8, 0.9),
        ("written", 16, 0.02),
    ]
    table = pd.DataFrame(rows, columns=["text", "length", "share"])
    assert tables.copied_more(table) == (
        "Compared with held-out text, the last network's text repeats the training text 1.8 (8 characters) and 2.0 "
        "(16) times as often."
    )
    assert "training text 1.8 (8 characters) times as" in tables.copied_more(table.assign(share=[0.5, 0, 0.9, 0.02]))
    assert tables.copied_more(table.assign(share=0)) == "Held-out text repeats no stretch of the training text."
    assert tables.copied(table).loc["written"].tolist() == ["90.0%", "2.0%"]
    assert tables.copied(table.assign(share=[0.5, math.nan, 0.9, 0.02])).iloc[0].tolist() == ["50.0%", ""]


def samples():
    rows = [(12, 0.1, "aab\n"), (12, 0.1, "a   "), (1_000, 0.6, "the "), (1_000, 0.6, "of <")]
    return pd.DataFrame(rows, columns=["step", "accuracy", "text"])


def test_samples_stand_below_their_step_with_all_their_spaces():
    table = tables.samples(samples())
    assert table.index.tolist() == [("12", 1), ("12", 2), ("1,000", 1), ("1,000", 2)]
    assert table["training accuracy"].tolist() == ["0.100", "0.100", "0.600", "0.600"]
    assert table["sample"].tolist() == ["aab⏎", "a␣␣␣", "the␣", "of <"]
    assert table.attrs["classes"] == "texts"
    assert tables.samples(samples().assign(text="  ")).iloc[0, 1] == "␣␣"
    assert tables.samples(samples().assign(text="  a")).iloc[0, 1] == "␣␣a"
    assert tables.samples_differ(samples()) == (
        "Samples of 30 characters have 2.5 different ones on average after 12 steps, 4.0 after 1,000."
    )


def test_newlines_of_samples_are_counted_on_both_sides():
    table = samples().assign(reported_accuracy=0.5, reported=["\n\na\n"] * 2 + ["abcd"] * 2)
    assert tables.newlines_beside(table) == "Newlines make up 38% of the report's samples and 6% of ours."
    beside = tables.samples_beside(table).reset_index()
    assert beside.iloc[:2].to_numpy().tolist() == [
        ["12", "the report's", "0.5", "⏎⏎a⏎"],
        ["12", "ours", "0.100", "aab⏎"],
    ]
    assert beside["network"].tolist() == ["the report's", "ours", "ours"] * 2


def test_samples_are_told_by_the_first_and_the_last():
    table = pd.DataFrame({"step": [4, 4, 8, 12], "accuracy": 0.5, "text": [" a\n", "b", "c", "the d"]})
    assert tables.answer_samples(table) == (
        "Always taking the likeliest character, the network writes “␣a⏎” after 4 steps and “the d” after 12 steps."
    )
    assert tables.answer_samples(table[:2]).endswith("writes “␣a⏎” after 4 steps.")


def test_the_most_newlines_at_any_step():
    rows = [(0, 0, 0.01, 0.02, 0.05, 0), (0, 1, 0.01, 0.06, 0.01, 0), (9, 0, 0.01, 0, 0, 0.06)]
    habits = pd.DataFrame(rows, columns=["step", "seed", "newlines", "newlines_greedy", "zero_state", "after_first"])
    assert drawn.kinds_of_newlines(habits, 0.017).endswith(
        "The probability of a newline is at most 3.0% at a zero state, 6.0% one character later."
    )
    assert drawn.answer_newlines(habits, 0.017) == (
        "Up to step 9 at most 4.0% of what the network writes, at temperature 1 or greedily, is newlines; the book has "
        "1.7%."
    )


def test_words_come_in_turn_or_not_yet():
    emerged = pd.DataFrame({"common": [100.0, 200, 900], "rare": [5_000.0, math.inf, math.inf]})
    assert drawn.come_in_turn(emerged) == "The network learns common words by step 200 and rare not yet."
    assert drawn.come_in_turn(emerged[["rare", "common"]]) == "The network learns rare words not yet and common by 200."
    table = pd.DataFrame({"step": [0, 9, 9], "unknown": [0.9, 0.1, 0.2]})
    assert drawn.unknown_words(table, pd.Series({"common": 0.5, "unknown": 0.0})) == (
        "After the last step 15% of the words written are not in the book."
    )


def test_calibration_is_told_once_per_stage():
    table = pd.DataFrame({"step": [60, 60, 2_000], "error": [0.1, 0.1, 0.02]})
    assert drawn.calibration_errors(table) == (
        "Its probabilities are off by 0.100 after 60 steps and 0.020 after 2,000 steps, on average."
    )


def test_temperature_is_told_from_the_lowest_to_the_highest():
    table = pd.DataFrame(
        {"temperature": [0.5, 0.5, 2.0], "entropy": [1.0, 2.0, 3.0], "distinct": [0.2, 0.4, 0.9], "words": [1, 1, 0.6]}
    )
    assert drawn.by_temperature(table) == (
        "From temperature 0.5 to 2 the text becomes more varied (30% to 90% different 4-character sequences) with "
        "fewer words of the book (100% to 60%)."
    )
    turned = table.assign(temperature=[2.0, 2.0, 0.5])
    assert "becomes no more varied (90% to 30% different" in drawn.by_temperature(turned)
    assert "with no fewer words of the book (60% to 100%)." in drawn.by_temperature(turned)
    assert drawn.entropy_by_temperature(table) == "The entropy goes from 1.50 to 3.00 bits."


def test_a_continuation_is_told_by_its_known_words():
    assert drawn.carried_on("to be", 0.5, 9_000) == (
        "With its state carried on, the network of 9,000 steps writes 5 characters at temperature 0.5; 50% of their "
        "words are in the book."
    )


def test_first_characters_of_words_are_told_beside_those_inside():
    assert drawn.first_and_later("a bc", [9.0, 4.0, 1.0]) == (
        "The first character of a word costs 4.0 bits on average here, those inside it 1.0: the choice of a word is "
        "harder than its spelling."
    )
    assert drawn.first_and_later("a bc", [9.0, 1.0, 4.0]).endswith("those inside it 4.0.")
    assert drawn.first_and_later("abc", [1.0, 1.0]) == ""


def following():
    rows = [
        ("course's, 50 steps", "place, in the word", 1, 7, -0.7, -0.6, 0.01),
        ("course's, 50 steps", "vowel", 2, 3, 0.5, 0.5, 0.0),
        ("short", "place, in the word", 1, 9, 0.4, 0.1, 0.0), ("short", "vowel", 1, 9, 0.4, 0.3, 0.0),
    ]  # fmt: skip
    columns = ["network", "property", "layer", "place", "training", "held_out", "chance"]
    return pd.DataFrame(rows, columns=columns)


def test_cells_are_told_by_network_whatever_commas_its_name_has():
    assert tables.followed(following()) == (
        "Of 2 properties, a single cell follows 2 (course's, 50 steps) and 0 (short) with a correlation beyond ±0.5."
    )
    assert tables.which_are_followed(following()) == (
        "Beyond ±0.5: “place, in the word” unit 7 of layer 1 (course's, 50 steps); “vowel” unit 3 of layer 2 "
        "(course's, 50 steps). The correlations on training text differ from these by at most 0.30."
    )
    assert "Beyond ±0.5: none." in tables.which_are_followed(following()[2:])


def test_cells_of_the_networks_stand_side_by_side_by_how_closely_the_first_follows():
    table = tables.cells(following().iloc[[1, 0, 2, 3]])
    assert table.index.tolist() == ["place, in the word", "vowel"]
    assert table["course's, 50 steps"].to_numpy().tolist() == [["-0.60", "0.01"], ["+0.50", "0.00"]]
    assert table["short"].to_numpy().tolist() == [["+0.10", "0.00"], ["+0.30", "0.00"]]


def test_the_passage_that_cells_follow_is_told():
    table = pd.DataFrame({"property": list("aabb"), "held_out": [0.7, 0.7, -0.6, -0.6], "character": list("x\nx\n")})
    assert drawn.tracking(table) == (
        "On all held-out text the correlation of cell and property is +0.70 for “a” and −0.60 for “b”."
    )
    assert drawn.how_tracked(table) == "The passage: x⏎"
    assert "□: a character that the figure's fonts do not have." in drawn.how_tracked(table.assign(character="日"))


def test_continuations_stand_beside_the_report_s_where_it_has_some():
    rows = [(0.5, "a\nb", "of the"), (0.5, "a\nb", "in <"), (1.5, "", "x|y")]
    table = pd.DataFrame(rows, columns=["temperature", "reported", "text"])
    assert tables.temperatures(table) == (
        "Our network continues one prompt by 6 characters at temperature 0.5 and 1.5; beside it, the report's samples."
    )
    found = tables.continuations(table)
    assert found.index.tolist() == [("0.5", "the report's"), ("0.5", "ours"), ("0.5", "ours"), ("1.5", "ours")]
    assert found["text"].tolist() == ["a⏎b", "of the", "in <", "x|y"]


def test_ways_are_told_by_the_least_and_the_most_diverse():
    table = pd.DataFrame({"way": ["greedy", "top-k"], "text": ["a", "b"], "distinct": [0.02, 0.5], "words": [1, 0.999]})
    assert tables.least_and_most_diverse(table) == (
        "The share of different 4-grams is lowest with “greedy” (0.02) and highest with “top-k” (0.50)."
    )
    assert tables.ways(table).loc["top-k"].tolist() == ["0.50", "99.9%", "b"]


def recipes():
    rows = [
        ("the course's", 0, 500, 7, 90.0, 0.5, 2.0, 1.9), ("the course's", 0, 10, 7, 0.5, 0.4, 2.5, 2.4),
        ("high rate", 0, 10, 7, 1.0, 0.6, 1.9, 1.8), ("high rate", 1, 10, 9, 2.0, 0.6, 1.9, 1.7),
    ]  # fmt: skip
    columns = ["recipe", "seed", "steps", "parameters", "minutes", "accuracy", "window_bits", "held_out_bits"]
    return pd.DataFrame(rows, columns=columns)


def others():
    rows = [("Markov, order 0", 0, 3.0), ("Markov, order 1", 1, 2.5), ("Markov, order 2", 2, 2.75), ("xz", None, 2.1)]
    return pd.DataFrame(rows, columns=["model", "order", "bits"])


def test_the_best_recipe_is_told_beside_the_course_s():
    assert drawn.best_recipe(recipes(), others()) == (
        "The recipe “high rate” needs the fewest bits per held-out character, 1.750 after 1.5 minutes; “the course's” "
        "needs 1.900 after 90.0 minutes."
    )
    assert drawn.best_recipe(recipes()[:2], others()) == (
        "The recipe “the course's” needs the fewest bits per held-out character, 1.900 after 90.0 minutes."
    )


def test_a_table_of_recipes_has_a_row_for_each_with_the_range_of_its_seeds_then_the_best_of_the_others():
    table = tables.recipe_table(recipes(), others())
    assert table.index.tolist() == ["the course's", "the course's", "high rate", "Markov, order 1", "xz"]
    assert table["steps"].tolist() == ["10", "500", "10", "", ""]
    assert table.iloc[1].tolist() == ["", "500", "1.900", "2.000", "90.0", "0.500", "1"]
    assert table.iloc[2].tolist()[1:] == ["10", "1.750 (1.700 to 1.800)", "1.900", "1.5 (1.0 to 2.0)", "0.600", "2"]
    assert table.iloc[4].tolist() == ["", "", "2.100", "", "", "", ""]
    assert tables.without_networks(recipes(), others()) == (
        "Per character of held-out text the networks need 1.75 to 2.40 bits, the best Markov model 2.50, and "
        "compressors 2.10."
    )
    assert tables.sizes_and_orders(recipes(), others()) == (
        "The networks have 7 to 9 parameters. Markov models of order 0 to 2: 3.000, 2.500, 2.750 bits."
    )


def test_what_a_change_adds_is_told_beside_what_it_changes():
    assert tables.one_at_a_time(recipes()) == ""
    names = ["high rate", "the course's", "state carried", "high rate"]
    table = recipes().assign(recipe=names)
    assert tables.one_at_a_time(table) == (
        "Change in bits per held-out character: “state carried” −0.60 (compared with “the course's”); “high rate” "
        "−0.10 (compared with “state carried”)."
    )
    told = tables.recipe_table(table, others()[:0])
    assert told.index.tolist() == ["the course's", "state carried", "high rate", "high rate"]  # in the recipes' order
    assert told["what it changes"].tolist()[:3] == [
        "",
        "the course's + states kept between batches",
        "state carried + rate 0.016, along a cosine",
    ]
    longer = table.assign(recipe=["one layer", "the course's", "five minutes", "high rate"])
    assert tables.one_at_a_time(longer) == ""  # more steps are more than one change


def test_every_recipe_but_the_course_s_says_what_it_changes():
    assert [name for name in RECIPES if "five minutes" in name] == [*LONGER_THAN_OTHERS]
    first, *rest = RECIPES
    assert [*tables.CHANGES] == rest
    assert {of for of, _ in tables.CHANGES.values()} <= {*RECIPES}
    assert RECIPES[first] == {}


def test_recipes_on_a_text_too_short_to_hold_out_have_their_training_alone():
    found = recipes().assign(window_bits=math.nan, held_out_bits=math.nan)
    assert tables.recipe_table(found, others()[:0]).iloc[1].tolist() == ["", "500", "", "", "90.0", "0.500", "1"]
    assert tables.without_networks(found, others()[:0]) == "The text is too short to hold any of it out."
    assert tables.sizes_and_orders(found, others()[:0]) == "The networks have 7 to 9 parameters."


def test_the_largest_rise_is_within_one_training():
    rows = [
        ("one", 0, 10, 2.0),
        ("one", 0, 1_500, 2.4),
        ("one", 0, 2_000, 1.9),
        ("one", 1, 10, 9.0),
        ("one", 1, 20, 8.0),
    ]
    lines = pd.DataFrame(rows, columns=["recipe", "seed", "step", "held_out_bits"])
    assert drawn.largest_rise(lines) == "The largest rise on the way: 0.40 bits, to 2.40 at step 1,500 (one, seed 0)."
    assert drawn.largest_rise(lines[3:]) == ""
    assert drawn.largest_rise(lines.drop(columns="held_out_bits")) == ""


@pytest.mark.parametrize(("book", "says"), [("", "is not the report's book"), (experiments.corpora.REPORT_BOOK, "")])
def test_the_text_is_told_and_never_markup(book, says):
    corpus = experiments.corpora.Corpus("mine", "<mine>", "to be or not to be. " * 5_000, book, "A <b> was cut.")
    html = experiments.about(corpus, corpus.windows(8))
    assert "Text: <strong>&lt;mine&gt;</strong></summary><p>100,000 characters, of which 8 different ones; 5.0%" in html
    assert "A &lt;b&gt; was cut." in html
    assert ("This is not the report's book." in html) == bool(says)


def test_tiny_shakespeare_is_told_beside_nano_gpt():
    table = pd.DataFrame(
        {"seed": [0, 1], "steps": 20_000, "parameters": 232_624, "minutes": [5.0, 6.0], "windows_64": [1.6, 1.62],
         "windows_256": [1.5, 1.54], "end_to_end": 1.51, "source": "the plays", "characters": 1_132_189}
    )  # fmt: skip
    assert tables.tiny(table).to_dict("index") == {
        "our LSTM": {
            "parameters": "232,624",
            "minutes": "5.5 (one core)",
            "nats, windows of 64": "1.610",
            "nats, windows of 256": "1.520",
            "nats, end to end": "1.510",
        },
        "nanoGPT, on a GPU": {
            "parameters": "10,650,000",
            "minutes": "3 (A100)",
            "nats, windows of 64": "",
            "nats, windows of 256": "1.470",
            "nats, end to end": "",
        },
        "nanoGPT, on a CPU": {
            "parameters": "800,000",
            "minutes": "3 (laptop)",
            "nats, windows of 64": "1.880",
            "nats, windows of 256": "",
            "nats, end to end": "",
        },
    }
    assert tables.beside_nano_gpt(table) == (
        "At equal context our LSTM needs 0.05 nats more than nanoGPT on a GPU and 0.27 nats less than nanoGPT on a CPU."
    )
    assert tables.about_tiny(table) == (
        "Text: the plays (1,132,189 characters; char-rnn's file has 1,115,394). Its last tenth is held out. After "
        "20,000 steps, 5.0 to 6.0 minutes of one core, 1.500 to 1.540 nats in windows of 256; nanoGPT's is its best "
        "step."
    )
