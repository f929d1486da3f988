"""Countries that can have a connected account, with the currency they settle in, and the currencies known here."""

CURRENCY_OF = {
    "AE": "aed", "AT": "eur", "AU": "aud", "BE": "eur", "BG": "eur", "CA": "cad", "CH": "chf", "CY": "eur",
    "CZ": "czk", "DE": "eur", "DK": "dkk", "EE": "eur", "ES": "eur", "FI": "eur", "FR": "eur", "GB": "gbp",
    "GI": "gbp", "GR": "eur", "HK": "hkd", "HR": "eur", "HU": "huf", "IE": "eur", "IS": "isk", "IT": "eur",
    "JP": "jpy", "KW": "kwd", "LI": "chf", "LT": "eur", "LU": "eur", "LV": "eur", "MT": "eur", "MX": "mxn",
    "NL": "eur", "NO": "nok", "NZ": "nzd", "PL": "pln", "PT": "eur", "RO": "ron", "SE": "sek", "SG": "sgd",
    "SI": "eur", "SK": "eur", "TH": "thb", "TW": "twd", "UG": "ugx", "US": "usd",
}  # fmt: skip
CURRENCIES = tuple(sorted(set(CURRENCY_OF.values())))
