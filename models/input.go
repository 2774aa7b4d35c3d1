package models

import "strings"

// UserInput is what a client may set of a user. The `binding` tags are its whole validation; they
// are judged after Normalise.
type UserInput struct {
	// 1 to 100 characters (code points) after white space around them is removed; no control
	// characters, bidirectional overrides or noncharacters.
	Name string `json:"name" binding:"required,max=100,text" example:"Ada Lovelace" minLength:"1"`
	// An address of at most 254 octets, unique among all users, letter case ignored.
	Email string `json:"email" binding:"required,address" example:"ada@example.com" format:"idn-email" minLength:"3" maxLength:"254"`
	// Age in years; absent and null both say that it is not known.
	Age *int64 `json:"age" binding:"omitnil,min=1,max=150" validate:"optional" format:"int32" example:"36" extensions:"x-nullable"`

	// The members that only the service sets are accepted and ignored, so that what was read can
	// be put back.

	// Accepted and ignored.
	ID Ignored `json:"id" binding:"-" validate:"optional" swaggertype:"integer" readonly:"true"`
	// Accepted and ignored.
	CreatedAt Ignored `json:"created_at" binding:"-" validate:"optional" swaggertype:"string" readonly:"true"`
	// Accepted and ignored.
	UpdatedAt Ignored `json:"updated_at" binding:"-" validate:"optional" swaggertype:"string" readonly:"true"`
	// Accepted and ignored.
	Version Ignored `json:"version" binding:"-" validate:"optional" swaggertype:"integer" readonly:"true"`
} // @name UserInput

// Ignored is a member that may be present with any value and whose value is dropped.
type Ignored struct{}

// Normalise brings the members to the form in which they are validated and stored: white space
// around name and address is removed, and a valid address takes the form that ParseEmail returns.
func (in *UserInput) Normalise() {
	in.Name = trimmed(in.Name)
	in.Email = trimmed(in.Email)
	if email, err := ParseEmail(in.Email); err == nil {
		in.Email = email
	}
}

// trimmed is Trim without a reference into the longer text, which would live as long as the user.
func trimmed(s string) string {
	short := Trim(s)
	if len(short) < len(s) {
		return strings.Clone(short)
	}
	return s
}

// Apply returns the user with the members of a valid input in place of its own, as PUT does: an
// absent age becomes unknown.
func (in *UserInput) Apply(user User) User {
	user.Name, user.Email, user.Age = in.Name, in.Email, 0
	if in.Age != nil {
		user.Age = Age(*in.Age) //nolint:gosec // validation holds it in 1 to 150
	}
	return user
}

// UserPatch is what a merge patch (RFC 7396) sets of a user: of Input only the members that are said
// to be given.
type UserPatch struct {
	Input            UserInput
	Name, Email, Age bool
}

// Apply returns the user with the members that a valid patch gives in place of its own.
func (p *UserPatch) Apply(user User) User {
	merged := p.Input.Apply(user)
	if !p.Name {
		merged.Name = user.Name
	}
	if !p.Email {
		merged.Email = user.Email
	}
	if !p.Age {
		merged.Age = user.Age
	}
	return merged
}
