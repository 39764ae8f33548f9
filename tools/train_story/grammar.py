#!/usr/bin/python3
"""Tell little stories from the grammar in stories.txt.

A story is a plot (a list of lines, some optional, some with alternatives) told about a cast: characters with names, pronouns and homes, and
things with colours and uses. Expansion runs from left to right, so a character is introduced where it is first mentioned ("a shy girl named
Lily") and named or replaced by a pronoun afterwards. The same seed always tells the same stories.
"""
import argparse
import random
import re
from pathlib import Path

PRONOUNS = {
    "he": dict(he="he", him="him", his="his", was="was"),
    "she": dict(he="she", him="her", his="her", was="was"),
    "I": dict(he="I", him="me", his="my", was="was"),
    "they": dict(he="they", him="them", his="their", was="were"),
    "we": dict(he="we", him="us", his="our", was="were"),
}
# Cast types that draw from several tables of characters, with weights; every other type is a table of stories.txt.
MIXED = {
    "hero": {"kid": 50, "animal": 24, "worker": 16, "I": 10},
    "young": {"kid": 60, "animal": 30, "I": 10},
    "child": {"kid": 1},
    "friend": {"kid": 1},
    "any": {"kid": 40, "animal": 30, "worker": 15, "elder": 15},
}


def load(path):
    """Reads stories.txt into tables, phrases and plots."""
    tables, phrases, plots, section = {}, {}, [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.rstrip()
        if not line or line.startswith("//"):
            continue
        if line[0] == "%":
            name, _, columns = line[1:].partition(" ")
            tables[name] = section = []
            keys = [c.strip() for c in (columns or "who; adjective; noun; home").split(";")]
        elif line[0] == "@":
            name, colon, inline = line[1:].partition(":")
            phrases[name] = section = [p.strip() for p in inline.split(",")] if colon else []
            keys = None
        elif line[0] == "#":
            name, *cast = line[1:].split()
            section = []
            plots.append(dict(name=name, cast=dict(c.split("=") for c in cast), lines=section))
            keys = "plot"
        elif keys == "plot":
            if line[0] == "|":
                section[-1]["ways"].append(line[1:].strip())
            else:
                section.append(dict(optional=line[0] == "?", ways=[line.lstrip("? ").strip()]))
        elif keys:
            section.append(dict(zip(keys, (c.strip() for c in line.split(";")))))
        else:
            section.append(line)
    return tables, phrases, plots


class Grammar:
    def __init__(self, seed=0, path=Path(__file__).with_name("stories.txt")):
        self.random = random.Random(seed)
        self.tables, self.phrases, self.plots = load(path)

    def story(self, shortest=5, longest=12):
        """Returns one story of `shortest` to `longest` sentences."""
        plot = self.random.choice(self.plots)
        while True:
            text = self.tell(plot)
            if shortest <= len(re.findall(r'[.!?]"?(?= [A-Z"]|$)', text)) <= longest:
                return text

    def tell(self, plot):
        self.used, self.mentioned = {}, set()
        self.cast = self.choose_cast(plot["cast"])
        lines, patience = [], self.random.choice([0.1, 0.3, 0.5])
        for line in plot["lines"] + [dict(optional=True, ways=["[|{the_end}]"])]:
            if not line["optional"] or self.random.random() < (patience if lines else 0.65):  # the first line introduces the hero
                lines.append(polish(self.expand(self.random.choice(line["ways"]))))
        text = " ".join(line for line in lines if line)
        return contract(text) if self.random.random() < 0.35 else text

    # -- casting

    def choose_cast(self, wanted):
        hero = self.character(wanted.get("h", "hero"), None, set())
        cast, nouns = {"h": hero}, {hero["noun"]}
        other = {"he": "she", "she": "he"}.get(hero["who"])  # opposite pronouns are never ambiguous
        for key, kind in wanted.items():
            if key == "h":
                continue
            if kind in MIXED or "who" in self.tables[kind][0]:
                cast[key] = self.character(kind, other, nouns)
                nouns.add(cast[key]["noun"])
            else:
                cast[key] = self.thing(kind, nouns)
                nouns.add(cast[key].get("name", key))
        cast["w"] = PRONOUNS["we" if hero["who"] == "I" else "they"]
        return cast

    def thing(self, kind, taken):
        row = self.random.choice([r for r in self.tables[kind] if r.get("name") not in taken])
        row = {key: self.choices(value) for key, value in row.items()}
        if kind in ("toy", "food") and self.random.random() < 0.04:
            new = self.invent()
            row = {key: re.sub(rf"\b{row['name']}\b", new, value) for key, value in row.items()}
        if "name" in row:
            row["a"] = row.get("a") or "a " + (row["hue"] + " " if "hue" in row else "") + row["name"]
            row["the"] = "the " + row["name"]
        return row

    def character(self, kind, who, taken):
        """Somebody of this kind, with the pronoun `who` if it matters; `taken` are the nouns and names already in the story."""
        pick = self.random
        table = pick.choices(*zip(*MIXED[kind].items()))[0] if kind in MIXED else kind
        if table == "I":
            return dict(PRONOUNS["I"], who="I", noun="I", name="I", call="my friend", home="{house}")
        while True:
            row = pick.choice([r for r in self.tables[table] if who is None or who in r["who"].strip("[]").split("|")])
            noun = self.choices(row["noun"])
            if noun not in taken or table == "kid":
                break
        if table in ("animal", "worker") and pick.random() < 0.06:
            noun = self.invent()
        who = who or self.choices(row["who"])
        described = f"{self.choices(row['adjective'])} {noun}"
        person = dict(PRONOUNS[who], who=who, noun=noun, home=row["home"], an="a " + described, a="a " + described)
        hero = kind in ("hero", "young", "kid", "common")
        if table == "grown":
            person["name"] = person["first"] = "{h.his} " + noun
        elif table == "kid" or (table in ("animal", "small", "slow") and pick.random() < 0.35):
            name = self.given_name({"she": "girl", "he": "boy"}[who] if table == "kid" else "petname", taken)
            person.update(name=name, call=name, a=person["a"] + pick.choice([" named ", " called "]) + name)
            person["first"] = pick.choice([person["a"], name]) if hero else person["a"]
            if kind == "friend" or (kind == "any" and table == "kid" and pick.random() < 0.6):
                person["first"] = "{h.his} friend " + name
        else:
            person.update(name="the " + noun, call="my friend")
            person["first"] = pick.choice([person["a"], person["a"], "the " + described]) if hero else person["a"]
        return person

    def given_name(self, names, taken):
        free = [n for n in self.phrases[names] if n not in taken]
        name = self.invent().capitalize() if self.random.random() < 0.05 else self.random.choice(free)
        taken.add(name)
        return name

    def invent(self):
        """A word nobody has heard before: the model must learn to spell it again, piece by piece."""
        pick = self.random.choice
        starts = "b br ch d f fl g gr h j k l m n p pr r s sh st t tr v w z".split()
        vowels, ends = "a e i o u ai ee ia oo".split(), "b d f g k l m n nd p r rt s ss t x".split()
        syllables = (pick(starts) + pick(vowels) + pick(["", "", pick(ends)]) for _ in range(pick([1, 2, 2, 2, 3])))
        return "".join(syllables) + pick(["", pick(ends)])

    # -- expansion

    def choices(self, text):
        """Resolves [a|b] and leaves {references} alone."""
        while "[" in text:
            text = re.sub(r"\[([^\[\]]*)\]", lambda m: self.random.choice(m[1].split("|")), text)
        return text

    def expand(self, text):
        text, out = self.choices(text), ""
        while "{" in text:
            before, _, text = text.partition("{")
            name, _, text = text.partition("}")
            out += before + self.expand(self.reference(name))
        return out + text

    def reference(self, name):
        if name == "open":
            name = self.opening(self.cast["h"])
        if name in self.phrases:
            return self.phrase(name)
        verb = None
        if "+" in name:
            name, verb = name.split("+")
        key, _, field = name.rstrip("~").partition(".")
        row = self.cast[key]
        if "who" not in row:
            return row[field or "name"]
        if field and field not in "os":
            if field in ("a", "an", "name"):
                self.mentioned.add(key)
            return row[field]
        known = key in self.mentioned
        self.mentioned.add(key)
        if row["who"] == "I":
            return f"I {verb}" if verb else {"o": "me", "s": "my"}.get(field, "I")
        text = row["name" if known else "first"]
        if "{h.his}" in text and "h" not in self.mentioned:
            text = row["a"]
        if name.endswith("~") and known and self.random.random() < 0.5:
            text = row["he"]
        return f"{verb} {text}" if verb else text + "'s" if field == "s" else text

    def opening(self, hero):
        named = hero["name"][0].isupper() and self.random.random() < 0.4
        return "open_i" if hero["who"] == "I" else "open_named" if named else "open"

    def phrase(self, name):
        """One of the ways to say it, and another one the next time."""
        used = self.used.setdefault(name, set())
        fresh = [p for p in self.phrases[name] if p not in used] or self.phrases[name]
        chosen = self.random.choice(fresh)
        used.add(chosen)
        return chosen


def polish(text):
    """Capital letters at the start of sentences and quotations, and "an" before vowels."""
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", " ".join(text.split()))
    return re.sub(r'(^"?|[.!?] "?|\s")(\w)', lambda m: m[1] + m[2].upper(), text)


def contract(text):
    """The short forms of everyday speech: didn't, I'm."""
    text = re.sub(r"\b(did|do|does|could|was|were|is|had|would) not\b", r"\1n't", text)
    return text.replace("annot ", "an't ").replace("I am ", "I'm ").replace("I will ", "I'll ").replace("Let us ", "Let's ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=5, help="stories to tell (5)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")
    arguments = parser.parse_args()
    grammar = Grammar(arguments.seed)
    for _ in range(arguments.count):
        print(grammar.story() + "\n")


if __name__ == "__main__":
    main()
