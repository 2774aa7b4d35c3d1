package problem

import "userapi/models"

// FaultEntry explains one code word of a fault.
type FaultEntry struct{ Code, Meaning string }

// Faults lists every code that a fault of an answer can carry.
func Faults() []FaultEntry {
	return []FaultEntry{
		{"required", "The member is absent and must be there."},
		{"wrong_type", "The value is of another type than the rule wants."},
		{"out_of_range", "The number is below or above its bounds."},
		{"too_short", "The text has too few characters, after white space around it is removed."},
		{"too_long", "The text has too many characters."},
		{"too_few", "The list has too few elements."},
		{"too_many", "The list has too many elements."},
		{"forbidden_character", "The text holds a control, a character that overrides or isolates the writing direction, or a noncharacter."},
		{"invalid_email", "The text is not an e-mail address that the service takes; `detail` says why."},
		{"invalid_time", "The text is not an instant as RFC 3339 writes it."},
		{"unknown_member", "The object has no such member; `detail` names the one that may be meant."},
		{"unexpected_member", "The operation has no use for this member, which others have."},
		{"unknown_mode", "The batch is neither atomic nor independent."},
		{"unknown_operation", "There is no such operation; `detail` names the one that may be meant."},
		{"malformed_version", "The text is neither a version, bare or quoted, nor a list of versions as `If-Match` has it, nor `*`."},
		{"unknown_parameter", "The path has no such parameter; `detail` names the one that may be meant."},
		{"repeated_parameter", "The parameter is given more than once."},
		{"empty_parameter", "The parameter is given without a value."},
		{"malformed_parameter", "The parameter is not percent-encoded as RFC 3986 prescribes."},
		{"conflicting_parameters", "The parameter does not go together with another one that is given."},
		{"unknown_sort_key", "Lists cannot be sorted by this; `detail` names the key that may be meant."},
		{"repeated_sort_key", "The list is to be sorted by one key twice."},
		{"invalid_cursor", "The cursor is not one of this list, sorted and filtered as asked."},
		{"malformed_header", "The header field is not of the form that its standard prescribes; `detail` shows it."},
		{models.ErrKeyReused.Code, "The key came with another body before."},
		{models.ErrUserNotFound.Code, "No user has the id that the operation names."},
		{models.ErrEmailTaken.Code, "Another user has the e-mail address, or is given it by an earlier operation."},
		{models.ErrPreconditionFailed.Code, "The version of the user is not one that the operation names."},
		{ErrPreconditionRequired.Code, "The operation has to name the version of the user."},
	}
}
