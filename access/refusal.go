package access

import "fmt"

// Reason is the class of a refusal: few, and fit for a metric.
type Reason string

const (
	Malformed      Reason = "malformed"     // it is no token that could be read
	WrongAlgorithm Reason = "algorithm"     // it is signed with an algorithm that no key is pinned to, or not at all
	UnknownKey     Reason = "unknown_key"   // there is no key that it could be signed with
	BadSignature   Reason = "signature"     // it was signed with another key, or changed after it was signed
	BadClaims      Reason = "claims"        // it is well signed, and what it says makes no sense here
	WrongIssuer    Reason = "issuer"        // it was made by somebody else
	WrongAudience  Reason = "audience"      // it was made for somebody else
	Expired        Reason = "expired"       // it has ended
	NotYetValid    Reason = "not_yet_valid" // it has not begun
	Revoked        Reason = "revoked"       // it was taken back
	Unavailable    Reason = "unavailable"   // the keys cannot be had at the moment; the same token may be accepted later
)

// Refusal is why a token was not accepted. It contains neither the token nor any key.
type Refusal struct {
	Reason Reason

	// Detail says exactly why, for the operator's log. What it quotes of the token, such as its issuer, may be of an attacker.
	Detail string

	// Public says as much as whoever has the token may know. It fits the error_description of WWW-Authenticate (RFC 6750, section 3):
	// ASCII without quotation marks and backslashes.
	Public string
}

func (r *Refusal) Error() string { return "token refused: " + r.Detail }

// Temporary reports whether the same token may be accepted later without anybody changing anything: the refusal is for now, and
// says nothing about the token.
func (r *Refusal) Temporary() bool { return r.Reason == Unavailable }

// What a client is told. Before a signature was found good, that is nothing about keys and algorithms: it could be anybody's.
const (
	unreadable  = "the token is malformed"
	notOurs     = "the token was not signed with a key that is accepted here"
	notForUs    = "the token was made by or for somebody else"
	wrongClaims = "what the token says is not valid here"
	noKeys      = "tokens cannot be checked at the moment; try again"
)

func refuse(reason Reason, public, format string, args ...any) error {
	return &Refusal{Reason: reason, Public: public, Detail: fmt.Sprintf(format, args...)}
}
