"""Official ratings as ages in years, so that one number is compared.

Sources: the rating boards' own definitions (MPA, US TV Parental Guidelines, BBFC, FSK, ACB, Kijkwijzer). Where a
board advises rather than bars, the advised age is taken: a parental limit should err towards the careful side.
"""

import re

AGES = {
    # MPA, United States
    "g": 0, "pg": 8, "pg-13": 13, "r": 17, "nc-17": 18, "x": 18, "in-a": 18,
    # US TV Parental Guidelines
    "tv-y": 0, "tv-y7": 7, "tv-y7-fv": 7, "tv-g": 0, "tv-pg": 10, "tv-14": 14, "tv-ma": 17,
    # BBFC, United Kingdom and Ireland
    "u": 0, "uc": 0, "12a": 12, "r18": 18, "15a": 15,
    # ACB, Australia
    "e": 0, "m": 15, "ma15+": 15, "ma 15+": 15, "r18+": 18, "x18+": 18, "r 18+": 18,
    # Kijkwijzer, CNC and others that say everybody
    "al": 0, "tp": 0, "all": 0, "l": 0, "s": 0, "t": 0, "btl": 0, "approved": 0, "passed": 0,
}  # fmt: skip

# "FSK 16", "14A" (without an adult, Canada), "DE-16", "gb/15", "KR-12", "16+", "18"
NUMBER = re.compile(r"(?:^|[^0-9])(\d{1,2})\s*[+a]?$")
COUNTRY = re.compile(r"^[a-z]{2}\s*[-/:]\s*")


def parental_age(official_rating: str | None) -> int | None:
    """Years, or None for no rating or one we don't know, which a server's setting decides about."""
    if official_rating is None:
        return None
    rating = " ".join(official_rating.casefold().split())
    # "tv-14" begins like a country: the known names are tried first.
    for name in (rating, COUNTRY.sub("", rating)):
        if name in AGES:
            return AGES[name]
    number = NUMBER.search(rating)
    return int(number.group(1)) if number else None
