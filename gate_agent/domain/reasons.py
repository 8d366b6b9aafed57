"""Reason codes: why a check, a decision or a screen says what it says. Sentences live in `web/i18n`, never here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

OTHER_PERSON = "face_other_person"
"""The guard's reason for handing over somebody who is not the document's holder: a ruling on the face comparison."""


class ReasonCode(StrEnum):
    """Stable codes; a catalogue entry for guard and inspector exists for each, and one safe text for the traveller."""

    # machine readable zone and document
    MRZ_CHECK_DIGIT_WRONG = "mrz_check_digit_wrong"  # parameters: field, found, expected
    MRZ_UNREADABLE = "mrz_unreadable"
    MRZ_FORMAT_UNKNOWN = "mrz_format_unknown"
    MRZ_SECOND_READ_DIFFERS = "mrz_second_read_differs"
    MRZ_LONG_NUMBER_CONVENTION = "mrz_long_number_convention"  # parameters: convention
    MRZ_CORRECTED = "mrz_corrected"  # parameters: officer
    MRZ_NAME_TRUNCATED = "mrz_name_truncated"
    DOCUMENT_EXPIRED = "document_expired"  # parameters: date_of_expiry
    DATE_OF_EXPIRY_UNREADABLE = "date_of_expiry_unreadable"
    DOCUMENT_READER_FAULT = "document_reader_fault"
    DOCUMENT_REMOVED_EARLY = "document_removed_early"
    DOCUMENT_CHANGED = "document_changed"
    # face
    FACE_DIFFERENT = "face_different"
    FACE_UNDETERMINED = "face_undetermined"
    FACE_NOT_FOUND = "face_not_found"
    FACE_SEVERAL = "face_several"
    FACE_TIMEOUT = "face_timeout"
    FACE_ENGINE_FAULT = "face_engine_fault"
    FACE_NO_CALIBRATION = "face_no_calibration"
    FACE_OUT_OF_RANGE = "face_out_of_range"
    FACE_AGE_NOT_COVERED = "face_age_not_covered"  # parameters: minimum
    FACE_SHORT_TERM_REFERENCE = "face_short_term_reference"
    FACE_FALSE_MATCH_RATE_HIGH = "face_false_match_rate_high"  # parameters: bound, limit
    PRESENTATION_ATTACK_SUSPECTED = "presentation_attack_suspected"
    PRESENTATION_ATTACK_DOUBTFUL = "presentation_attack_doubtful"
    PRESENTATION_ATTACK_NO_RESULT = "presentation_attack_no_result"
    PRESENTATION_ATTACK_UNRATED = "presentation_attack_unrated"
    PRESENTATION_ATTACK_ADVISORY = "presentation_attack_advisory"
    REFERENCE_PORTRAIT_MISSING = "reference_portrait_missing"
    REFERENCE_PORTRAIT_REFUSED = "reference_portrait_refused"
    CAMERA_FAULT = "camera_fault"
    # declaration token
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a reason code
    TOKEN_SIGNATURE_WRONG = "token_signature_wrong"  # noqa: S105 - a reason code
    TOKEN_ISSUER_UNKNOWN = "token_issuer_unknown"  # noqa: S105 - a reason code
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a reason code
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"  # noqa: S105 - a reason code
    TOKEN_OTHER_DOCUMENT = "token_other_document"  # noqa: S105 - a reason code
    TOKEN_ALREADY_USED = "token_already_used"  # noqa: S105 - a reason code
    # stay
    STAY_OVERSTAYED = "stay_overstayed"  # parameters: days
    STAY_NO_ENTRY_RECORD = "stay_no_entry_record"
    STAY_NO_RULE = "stay_no_rule"  # parameters: nationality
    STAY_OPEN_ENTRY_EXISTS = "stay_open_entry_exists"
    STAY_DAYS_USED = "stay_days_used"  # parameters: days, window
    # eligibility
    DOCUMENT_KIND_NOT_ACCEPTED = "document_kind_not_accepted"  # parameters: document_kind, country
    VISA_MISSING = "visa_missing"  # parameters: nationality
    VISA_NOT_YET_VALID = "visa_not_yet_valid"  # parameters: date
    VISA_EXPIRED = "visa_expired"  # parameters: date
    VISA_ENTRIES_USED = "visa_entries_used"  # parameters: entries
    VISA_ENTRIES_UNKNOWN = "visa_entries_unknown"
    VISA_OTHER_HOLDER = "visa_other_holder"  # parameters: field
    VISA_OTHER_STATE = "visa_other_state"  # parameters: country
    VISA_UNREADABLE = "visa_unreadable"
    VISA_KIND_NOT_ACCEPTED = "visa_kind_not_accepted"  # parameters: permit_kind
    PERMIT_LIST_STALE = "permit_list_stale"
    TRAVEL_BAN = "travel_ban"  # parameters: list, entry
    BAN_LIST_STALE = "ban_list_stale"
    # lists
    WATCHLIST_HIT = "watchlist_hit"  # parameters: list, entry
    WATCHLIST_STOP = "watchlist_stop"  # parameters: list, entry
    WATCHLIST_NAME_LEAD = "watchlist_name_lead"  # parameters: list, entry
    WATCHLIST_INFORMED = "watchlist_informed"  # parameters: list, entry, lane
    WATCHLIST_RESCREENED = "watchlist_rescreened"  # parameters: list, entry, lane, at
    WATCHLIST_RESCREENED_INSIDE = "watchlist_rescreened_inside"  # parameters: list, entry, lane, at
    WATCHLIST_UNREADABLE = "watchlist_unreadable"
    WATCHLIST_STALE = "watchlist_stale"
    FACE_WATCHLIST_LEAD = "face_watchlist_lead"  # parameters: list, entry
    # customs
    CASH_OVER_THRESHOLD = "cash_over_threshold"  # parameters: total, threshold
    CASH_RATE_MISSING = "cash_rate_missing"  # parameters: currency
    CASH_RATE_OLD = "cash_rate_old"  # parameters: currency, date
    VALUE_OVER_ALLOWANCE = "value_over_allowance"  # parameters: value, allowance
    QUANTITY_OVER_ALLOWANCE = "quantity_over_allowance"  # parameters: goods, quantity, allowance, unit
    GOODS_QUANTITY_MISSING = "goods_quantity_missing"  # parameters: goods
    GOODS_PROHIBITED = "goods_prohibited"  # parameters: goods
    GOODS_PERMIT_REQUIRED = "goods_permit_required"  # parameters: goods
    TRAVEL_MODE_NOT_SERVED = "travel_mode_not_served"
    GOODS_UNACCOMPANIED = "goods_unaccompanied"  # parameters: stub
    GOODS_TO_BE_DECLARED = "goods_to_be_declared"  # parameters: goods, quantity, unit
    RULE_NOT_FOUND = "rule_not_found"  # parameters: rule
    RULE_CERTAINTY_LOW = "rule_certainty_low"  # parameters: rule
    SEAL_TAMPERED = "seal_tampered"  # parameters: seal, event
    SEAL_SILENT = "seal_silent"  # parameters: seal
    SEAL_NEVER_HEARD = "seal_never_heard"  # parameters: seal
    SEAL_NOT_CLOSED = "seal_not_closed"  # parameters: seal
    SEAL_FOUND_OPEN = "seal_found_open"  # parameters: seal
    SEAL_EVENT_UNDATED = "seal_event_undated"  # parameters: seal, event
    XRAY_ALARM = "xray_alarm"  # parameters: scan
    XRAY_UNDETERMINED = "xray_undetermined"  # parameters: scan
    RANDOM_SELECTION = "random_selection"  # parameters: number, probability
    SELECTION_IMPOSSIBLE = "selection_impossible"
    TRUST_ATTENTION = "trust_attention"  # parameters: findings
    FREQUENT_CROSSER = "frequent_crosser"  # parameters: crossings, days
    NOTHING_DECLARED = "nothing_declared"
    DECLARED_WITHIN_ALLOWANCE = "declared_within_allowance"
    DESK_TASK_OVERDUE = "desk_task_overdue"  # parameters: reference, minutes
    DESK_STOP_SEEN_AT_EXIT = "desk_stop_seen_at_exit"  # parameters: reference, gate
    DESK_STOP_OPEN_ELSEWHERE = "desk_stop_open_elsewhere"  # parameters: gate, lane
    # chip, optics, seals
    CHIP_ABSENT = "chip_absent"
    CHIP_ABORTED = "chip_aborted"  # parameters: fault
    CHIP_ACCESS_REFUSED = "chip_access_refused"  # parameters: protocol
    CHIP_READER_FAULT = "chip_reader_fault"
    INSPECTION_FAULT = "inspection_fault"
    CHIP_PROTOCOL_NOT_OFFERED = "chip_protocol_not_offered"  # parameters: protocol
    CHIP_AUTHENTICATION_FAILED = "chip_authentication_failed"  # parameters: protocol
    CHIP_AUTHENTICATION_ABSENT = "chip_authentication_absent"
    CHIP_AUTHENTICATION_UNPROVEN = "chip_authentication_unproven"  # parameters: protocol
    DATA_GROUP_CHANGED = "data_group_changed"  # parameters: group
    DATA_GROUP_MISSING = "data_group_missing"  # parameters: group
    DATA_GROUP_NOT_READ = "data_group_not_read"  # parameters: group
    DATA_GROUP_MALFORMED = "data_group_malformed"  # parameters: group
    HASH_ALGORITHM_UNKNOWN = "hash_algorithm_unknown"  # parameters: algorithm
    SOD_MISSING = "sod_missing"
    SOD_MALFORMED = "sod_malformed"  # parameters: detail
    SOD_SIGNATURE_WRONG = "sod_signature_wrong"
    SOD_SIGNER_MISSING = "sod_signer_missing"
    ALGORITHM_WEAK = "algorithm_weak"  # parameters: algorithm
    ALGORITHM_UNKNOWN = "algorithm_unknown"  # parameters: algorithm
    CSCA_UNKNOWN = "csca_unknown"  # parameters: country
    CSCA_REJECTS = "csca_rejects"  # parameters: country
    CERTIFICATE_MALFORMED = "certificate_malformed"  # parameters: certificate
    CERTIFICATE_OUTSIDE_VALIDITY = "certificate_outside_validity"  # parameters: certificate
    CERTIFICATE_VALIDITY_UNKNOWN = "certificate_validity_unknown"  # parameters: certificate
    CERTIFICATE_REVOKED = "certificate_revoked"  # parameters: certificate
    REVOCATION_UNKNOWN = "revocation_unknown"  # parameters: country
    CERTIFICATE_DEFECT = "certificate_defect"  # parameters: defect
    TRUST_BUNDLE_MISSING = "trust_bundle_missing"
    TRUST_BUNDLE_STALE = "trust_bundle_stale"
    ISSUER_NOT_COVERED = "issuer_not_covered"  # parameters: country
    ISSUING_STATE_DIFFERS = "issuing_state_differs"  # parameters: found, expected
    STATE_CODE_UNKNOWN = "state_code_unknown"  # parameters: code
    DG1_DIFFERS = "dg1_differs"  # parameters: field
    DG1_OPTIONAL_DATA_DIFFERS = "dg1_optional_data_differs"
    CARD_ACCESS_NUMBER_USED = "card_access_number_used"
    MRZ_NOT_TRUSTED = "mrz_not_trusted"  # parameters: characters
    MRZ_INFRARED_FAINT = "mrz_infrared_faint"
    MRZ_INFRARED_DOUBTFUL = "mrz_infrared_doubtful"
    MRZ_INFRARED_TRANSPARENT = "mrz_infrared_transparent"  # parameters: country
    MRZ_INFRARED_DIFFERS = "mrz_infrared_differs"  # parameters: characters
    ULTRAVIOLET_BRIGHT = "ultraviolet_bright"
    ULTRAVIOLET_DOUBTFUL = "ultraviolet_doubtful"
    IMAGE_MISSING = "image_missing"  # parameters: image
    IMAGE_UNUSABLE = "image_unusable"  # parameters: image
    IMAGE_DARK = "image_dark"  # parameters: image
    IMAGE_GLARE = "image_glare"  # parameters: image
    IMAGE_BLURRED = "image_blurred"  # parameters: image
    IMAGE_CUT_OFF = "image_cut_off"  # parameters: image
    PORTRAIT_DIFFERS = "portrait_differs"
    PORTRAIT_UNDETERMINED = "portrait_undetermined"
    SPECIMEN_DOCUMENT = "specimen_document"
    SPECIMEN_SUSPECTED = "specimen_suspected"
    SPECIMEN_CERTIFICATE = "specimen_certificate"
    SPECIMEN_ACCEPTED = "specimen_accepted"
    VISIBLE_SEAL_MISSING = "visible_seal_missing"
    VISIBLE_SEAL_MALFORMED = "visible_seal_malformed"  # parameters: detail
    VISIBLE_SEAL_TYPE_UNKNOWN = "visible_seal_type_unknown"  # parameters: type
    VISIBLE_SEAL_SIGNATURE_WRONG = "visible_seal_signature_wrong"
    VISIBLE_SEAL_SIGNER_UNKNOWN = "visible_seal_signer_unknown"  # parameters: signer
    VISIBLE_SEAL_OUTSIDE_VALIDITY = "visible_seal_outside_validity"
    VISIBLE_SEAL_DIFFERS = "visible_seal_differs"  # parameters: field
    VISIBLE_SEAL_SEVERAL = "visible_seal_several"
    BOARDING_PASS_MALFORMED = "boarding_pass_malformed"  # noqa: S105 - a name, parameters: detail
    BOARDING_PASS_UNSIGNED = "boarding_pass_unsigned"  # noqa: S105 - a name
    TOKEN_USED_AT_TWO_GATES = "token_used_at_two_gates"  # noqa: S105 - a name, parameters: gate
    # people and passage
    FAMILY_WITH_SMALL_CHILDREN = "family_with_small_children"
    MINOR_WITHOUT_ADULT = "minor_without_adult"
    PARTY_INCOMPLETE = "party_incomplete"
    PARTY_REFERRED = "party_referred"
    PARTY_TOGETHER = "party_together"  # parameters: persons
    CUSTODY_UNCLEAR = "custody_unclear"
    HELP_REQUESTED = "help_requested"
    SECOND_PERSON = "second_person"
    ENTRY_TIMEOUT = "entry_timeout"
    PASSAGE_UNDETERMINED = "passage_undetermined"
    PERSON_INSIDE_AT_START = "person_inside_at_start"
    BARRIER_FAULT = "barrier_fault"
    BARRIER_TAMPER = "barrier_tamper"
    DOOR_FORCED = "door_forced"
    PASSAGE_WITHOUT_RELEASE = "passage_without_release"
    TAILGATING = "tailgating"
    WRONG_WAY = "wrong_way"
    FIRE = "fire"
    EMERGENCY_STOP = "emergency_stop"
    LOCKDOWN = "lockdown"
    STORE_FAULT = "store_fault"
    LANE_SUSPENDED = "lane_suspended"
    LANE_OUTSIDE_HOURS = "lane_outside_hours"
    POST_FALLBACK = "post_fallback"  # parameters: gate
    STEP_TIMEOUT = "step_timeout"  # parameters: step
    ABORTED_TWICE = "aborted_twice"
    ALL_CHECKS_SUCCESSFUL = "all_checks_successful"
    GUARD_DECISION = "guard_decision"  # parameters: reason
    # checks of plug-ins
    PLUGIN_FINDING = "plugin_finding"  # parameters: check, finding, plugin_title, plugin_sentence
    PLUGIN_CRASHED = "plugin_crashed"  # parameters: check, error, plugin_title
    PLUGIN_TIMED_OUT = "plugin_timed_out"  # parameters: check, plugin_title
    PLUGIN_NONSENSE = "plugin_nonsense"  # parameters: check, plugin_title
    PLUGIN_UNAVAILABLE = "plugin_unavailable"  # parameters: check, plugin_title
    # around the gate
    POWER_ENDING = "power_ending"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: a code and its parameters, values as text. Parameters never hold names or images."""

    code: ReasonCode
    parameters: Mapping[str, str] = field(default_factory=dict)
