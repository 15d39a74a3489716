package access

import "fmt"

// Reason is the class of a refusal. There are few, so that a metric can have it as a label.
type Reason string

const (
	Malformed      Reason = "malformed"     // the token cannot be parsed
	WrongAlgorithm Reason = "algorithm"     // no key is pinned to its algorithm, or it is not signed
	UnknownKey     Reason = "unknown_key"   // no key is known that may have signed it
	BadSignature   Reason = "signature"     // the signature does not fit any key
	BadClaims      Reason = "claims"        // the signature is good, but a claim is invalid
	WrongIssuer    Reason = "issuer"        // another issuer made it
	WrongAudience  Reason = "audience"      // it is meant for another audience
	Expired        Reason = "expired"       // exp has passed
	NotYetValid    Reason = "not_yet_valid" // nbf or iat is in the future
	Revoked        Reason = "revoked"       // the token or its subject was revoked
	Unavailable    Reason = "unavailable"   // the keys cannot be fetched now; the token may be accepted later
)

// Refusal says why a token was not accepted. It contains neither the token nor a key.
type Refusal struct {
	Reason Reason

	// Detail is the exact reason, for the operator's log. It may quote values from a forged token, such as its issuer.
	Detail string

	// Public is the reason for the client. It fits the error_description of WWW-Authenticate (RFC 6750, section 3): ASCII without
	// quotation marks and backslashes.
	Public string
}

func (r *Refusal) Error() string { return "token refused: " + r.Detail }

// Temporary reports whether the same token may be accepted later. Clients should retry instead of asking for a new token.
func (r *Refusal) Temporary() bool { return r.Reason == Unavailable }

// Texts for the client. They reveal nothing about keys and algorithms, because anyone can send a forged token.
const (
	unreadable  = "the token is malformed"
	notOurs     = "the token was not signed with a key that this hub accepts"
	notForUs    = "the token has another issuer or audience"
	wrongClaims = "a claim of the token is missing or invalid"
	noKeys      = "tokens cannot be checked at the moment; try again later"
)

func refuse(reason Reason, public, format string, args ...any) error {
	return &Refusal{Reason: reason, Public: public, Detail: fmt.Sprintf(format, args...)}
}
