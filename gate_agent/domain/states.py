"""States and nationalities: the three-letter codes of travel documents and the two-letter codes of certificates (ICAO Doc 9303-3 §5).

The two are not one-to-one: some issuers share a state's certificate authority, some codes name no state at all. A code that is not in
the table says nothing about a document; whoever compares it gets None and has to leave the answer open.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ISO_3166 = (
    "ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT AZEAZ BDIBI "
    "BELBE BENBJ BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT "
    "BVTBV BWABW CAFCF CANCA CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG COKCK COLCO COMKM CPVCV CRICR CUBCU "
    "CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE DJIDJ DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET "
    "FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR "
    "GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY HKGHK HMDHM HNDHN HRVHR HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR "
    "IRQIQ ISLIS ISRIL ITAIT JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KIRKI KNAKN KORKR KWTKW LAOLA LBNLB "
    "LBRLR LBYLY LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD MDGMG MDVMV MEXMX MHLMH "
    "MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA NCLNC NERNE "
    "NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE PHLPH PLWPW PNGPG POLPL "
    "PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ "
    "SLBSB SLESL SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC "
    "TCDTD TGOTG THATH TJKTJ TKLTK TKMTM TLSTL TONTO TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY "
    "USAUS UZBUZ VATVA VCTVC VENVE VGBVG VIRVI VNMVN VUTVU WLFWF WSMWS YEMYE ZAFZA ZMBZM ZWEZW "
)
"""Three letters and two letters of each ISO 3166-1 entry, run together."""

_ICAO_ONLY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "D": frozenset({"DE"}),
        "GBD": frozenset({"GB"}),  # overseas territories citizen
        "GBN": frozenset({"GB"}),  # national (overseas)
        "GBO": frozenset({"GB"}),  # overseas citizen
        "GBP": frozenset({"GB"}),  # protected person
        "GBS": frozenset({"GB"}),  # subject
        "UNO": frozenset({"UN", "ZZ"}),  # United Nations
        "UNA": frozenset({"UN", "ZZ"}),  # specialised agency
        "UNK": frozenset({"UN", "ZZ", "KS"}),  # interim administration in Kosovo
        "EUE": frozenset({"EU"}),  # European Union laissez-passer
        "RKS": frozenset({"KS", "XK"}),
        "XKX": frozenset({"KS", "XK"}),
        "XOM": frozenset({"XO"}),  # Sovereign Military Order of Malta
        "XPO": frozenset({"XP"}),  # Interpol
        "XBA": frozenset({"XB"}),  # African Development Bank
        "XIM": frozenset({"XI"}),  # African Export-Import Bank
        "XCC": frozenset({"XC"}),  # Caribbean Community
        "XCE": frozenset({"XE"}),  # Council of Europe
        "XCO": frozenset({"XM"}),  # Common Market for Eastern and Southern Africa
        "XEC": frozenset({"XW"}),  # Economic Community of West African States
        "XMP": frozenset({"XZ"}),  # Parliamentary Assembly of the Mediterranean
        "UTO": frozenset({"UT"}),  # Utopia, the state of specimens
    }
)
"""Issuers that have certificates, by the code in the document's zone."""

_NATIONALITY_ONLY = frozenset({"XXA", "XXB", "XXC", "XXX"})
"""Stateless, refugee (1951), refugee (other), unspecified: nationalities of people; no issuer carries them."""

_SHARED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "BMU": frozenset({"GB"}),
        "HKG": frozenset({"CN"}),
        "MAC": frozenset({"CN"}),
        "GGY": frozenset({"GB"}),
        "JEY": frozenset({"GB"}),
        "IMN": frozenset({"GB"}),
        "AIA": frozenset({"GB"}),
        "CYM": frozenset({"GB"}),
        "FLK": frozenset({"GB"}),
        "GIB": frozenset({"GB"}),
        "MSR": frozenset({"GB"}),
        "SHN": frozenset({"GB"}),
        "TCA": frozenset({"GB"}),
        "VGB": frozenset({"GB"}),
    }
)
"""Further certificate codes of issuers whose documents another state's authority may sign."""


def _codes() -> dict[str, frozenset[str]]:
    codes = {entry[:3]: frozenset({entry[3:]}) for entry in _ISO_3166.split()}
    codes |= _ICAO_ONLY
    for code, others in _SHARED.items():
        codes[code] |= others
    return codes


_CODES: Mapping[str, frozenset[str]] = MappingProxyType(_codes())
STATE_CODES = frozenset(_CODES)
"""Every three-letter code (without fillers) that names an issuer."""

NATIONALITY_CODES = STATE_CODES | _NATIONALITY_ONLY
"""Every three-letter code (without fillers) that may stand as a nationality."""


def two_letter(code: str) -> frozenset[str]:
    """Return the certificate codes of an issuing state, upper-case; empty for a code that is not in the table.

    `code` is that of a machine readable zone, fillers and case do not matter; a two-letter code of the table stands for itself.
    """
    bare = code.strip("<").upper()
    if len(bare) == 2:
        return frozenset({bare}) if any(bare in codes for codes in _CODES.values()) else frozenset()
    return _CODES.get(bare, frozenset())


def same_state(mrz_code: str, certificate_code: str) -> bool | None:
    """Return whether a document's issuing state and a certificate's country are one; None when either is not in the table.

    TR-03135-1 tables 5.43, 5.73 and 5.74: a code that nobody knows is undetermined, never a finding.
    """
    expected, found = two_letter(mrz_code), two_letter(certificate_code)
    return bool(expected & found) if expected and found else None


def three_letter(code: str) -> frozenset[str]:
    """Return the issuing states (codes as in the zone, without fillers) whose documents a certificate country may sign."""
    wanted = two_letter(code)
    return frozenset(state for state, codes in _CODES.items() if codes & wanted)


def is_nationality(code: str) -> bool:
    """Return whether a nationality code of a zone is one of the table."""
    return code.strip("<").upper() in NATIONALITY_CODES
