"""Lists of surnames by language: those shipped with Faker, and folders of text files."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from datamodules.listing import by_stem, list_files
from datamodules.text_files import TEXT, read_texts
from lab.downloads import download
from lab.errors import LabError

# The locales of each language in Latin script with at least 150 distinct surnames in Faker's lists. Left out are
# Danish, Norwegian, Portuguese and a dozen more, which have fewer, and locales of a country whose surnames are those of
# other languages, such as English in India.
FAKER_LOCALES = {
    "Azerbaijani": ["az_AZ"],
    "Croatian": ["hr_HR"],
    "Czech": ["cs_CZ"],
    "Dutch": ["nl_BE", "nl_NL"],
    "English": ["en", "en_GB", "en_IE", "en_NZ", "en_US"],
    "Estonian": ["et_EE"],
    "Finnish": ["fi_FI"],
    "French": ["fr_BE", "fr_CA", "fr_CH", "fr_FR"],
    "German": ["de_AT", "de_CH", "de_DE", "de_LI"],
    "Icelandic": ["is_IS"],
    "Indonesian": ["id_ID"],
    "Irish": ["ga_IE"],
    "Italian": ["it_IT"],
    "Polish": ["pl_PL"],
    "Slovak": ["sk_SK"],
    "Slovene": ["sl_SI"],
    "Spanish": ["es_AR", "es_CL", "es_CO", "es_ES", "es_MX"],
    "Swedish": ["sv_SE"],
    "Twi": ["tw_GH"],
    "Uzbek": ["uz_UZ"],
    "Zulu": ["zu_ZA"],
}
OLDEST_FAKER = "37.2"  # the first with Icelandic surnames
MIRROR = "https://raw.githubusercontent.com/spro/practical-pytorch/ff2b4c46224c8f887910da343211a2e468eef9ac/data/names/"
MD5 = {
    "Arabic": "82fae9e94c57f0ce3971ff005db0429e",
    "Chinese": "885f5a22943c99bdb2295cfeeca48df2",
    "Czech": "a35a6c5b756b50dd188d6d52f3251d88",
    "Dutch": "6ab7bbaf044b499721053f90e0773c5e",
    "English": "950fc1c5c1406e12f1d3c67bbb33ed66",
    "French": "20ca80761015630dbb80c0f1d43cb659",
    "German": "d10473b75cbb39f75de4ba71dccd852a",
    "Greek": "2edefe72c04ef0dafcc08080a06e71fc",
    "Irish": "e7eb4e53253058c0744bbb76cb3110f1",
    "Italian": "80327fae66e0ac14495bc0f62fc0c63f",
    "Japanese": "f5b11bdb2e0435c0a22c1a731aa287d8",
    "Korean": "a9b83a6c85dd59ed024a09c61de0c0e9",
    "Polish": "71aca5ee180890e83daeae1b01429dc0",
    "Portuguese": "9e678db31d44422908885fd3ddea89d6",
    "Russian": "2745382eaaafa224ed1029111ae24e47",
    "Scottish": "7cb6daa864d1beac09420ea666c10f3d",
    "Spanish": "61f0b4e4deb4acaad0086996124e9b32",
    "Vietnamese": "1c081f30420eb147fb747a90e3d2a7af",
}


def faker_surnames() -> dict[str, list[str]]:
    """The surnames of each language in the lists of the Faker package, https://github.com/joke2k/faker.

    Each name stands once in a language, whichever of its locales have it.

    Raises:
        LabError: when the installed Faker is too old to have all of them.
    """
    return {
        language: sorted({name for locale in locales for name in _of_locale(locale)})
        for language, locales in FAKER_LOCALES.items()
    }


def _of_locale(locale: str) -> set[str]:
    try:
        lists = vars(import_module(f"faker.providers.person.{locale}").Provider)
    except ModuleNotFoundError as error:
        if error.name != f"faker.providers.person.{locale}":
            raise
        raise LabError(
            f"Faker {version('faker')} has no surnames of {locale}: pip install 'faker>={OLDEST_FAKER}', or use "
            f"--data.source files."
        ) from error
    stems = lists.get("last_names_without_suffix", ())  # of a father: Faker makes both surnames of each
    names = {f"{stem}{('son', 'dóttir')[place % 2]}" for place, stem in enumerate(stems)}
    for key, value in lists.items():
        if "last_names" in key and value is not stems and not callable(value):
            names |= {name for name in value if isinstance(name, str)}
    return names


def download_surnames(folder: Path) -> None:
    """Fetch the 18 files of the PyTorch tutorial "Classifying Names with a Character-Level RNN"; verified, all or none.

    They are gathered in a folder beside, where a broken-off download is taken up again.

    Raises:
        LabError: when a file cannot be had.
    """
    gathered = folder.with_name(f"{folder.name}.part")
    for language, md5 in MD5.items():
        path = gathered / f"{language}.txt"
        if path.is_file():
            continue
        try:
            download([f"{MIRROR}{path.name}"], path, md5)
        except LabError as error:
            raise LabError(
                f"the surnames are not in {folder} ({path.name} is missing) and cannot be downloaded ({error}). Set "
                f"--data.root or ARCHLAB_DATA to the folder that holds names/, or use --data.source faker, which needs "
                f"no files."
            ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for language in MD5:
        (gathered / f"{language}.txt").replace(folder / f"{language}.txt")
    gathered.rmdir()


def file_surnames(folder: Path) -> Mapping[str, list[str]]:
    """The surnames of each language in a folder of ``<Language>.txt``, one a line, with their repeats.

    What is no text file is passed over, and told.

    Raises:
        LabError: when there is no such file, two are of one language, or one of them is empty or no text in UTF-8.
    """
    files = by_stem(list_files(folder, TEXT, "text files"))
    if not files:
        raise LabError(f"{folder} must hold text files such as Italian.txt, one surname a line, but holds none.")
    return {language: read_texts(file) for language, file in files.items()}
