package access

import (
	"context"
	"errors"
)

// Explanation is what a token says, and what a policy decides about it.
type Explanation struct {
	Unverified             // read as far as possible; a forged token may say anything
	Key        *SigningKey // nil: no key of the policy signed it
	Grant      Grant       // of an accepted token, with the public topics
	Refusal    *Refusal    // nil: the token is accepted
}

// SigningKey names the key that signed a token.
type SigningKey struct {
	Number int    // of the key in Verifier.Keys, from 1; 0: it is in the JWKS
	ID     string // the key ID (kid) in the JWKS, which may be empty
}

// Explain says what [Policy.Grant] decides about a token, and why. It is for administrators and for the holder of the token: it says more
// than Grant about keys and about forged tokens. It blocks as Verify does.
func (p *Policy) Explain(ctx context.Context, token string) (e Explanation) {
	e.Unverified, _ = Peek(token) // Grant meets the same error
	var err error
	e.Grant, e.Key, err = p.grant(ctx, token)
	e.Refusal, _ = errors.AsType[*Refusal](err)
	return e
}
