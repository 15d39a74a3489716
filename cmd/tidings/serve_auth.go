package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// authFlags configure keys, tokens and origins.
type authFlags struct {
	KeyFile   []string `sep:"none" type:"path" placeholder:"FILE" help:"File with a secret of at least 32 bytes that signs tokens. Can be repeated: tokens of every key are accepted."`
	KeyEnv    string   `default:"TIDINGS_KEY" placeholder:"NAME" help:"Environment variable with one more key, a secret or a public key (PEM), if it is set; ${default} by default."`
	PublicKey []string `sep:"none" type:"path" placeholder:"FILE" help:"Public key (PEM) of an issuer of tokens: RSA, P-256, P-384, P-521 or Ed25519. Can be repeated."`
	JWKSURL   jwksURL  `name:"jwks-url" placeholder:"URL" help:"URL of the issuer's public keys (JWKS). They are fetched again from time to time, and when a token names an unknown key."`

	JWTAlg      []string `name:"jwt-alg" sep:"none" enum:"HS256,HS384,HS512,RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA,Ed25519" placeholder:"ALG" help:"Algorithm that tokens may be signed with, such as PS256; by default the usual one of each key: HS256, RS256, ES256, ES384, ES512 or EdDSA. Can be repeated."`
	JWTIssuer   string   `name:"jwt-issuer" placeholder:"ISS" help:"Issuer (iss) that tokens must have."`
	JWTAudience string   `name:"jwt-audience" placeholder:"AUD" help:"Audience (aud) that tokens must have."`

	TokenCookie string         `placeholder:"NAME" help:"Cookie that holds the token of a page: EventSource cannot send an Authorization field."`
	TokenQuery  bool           `help:"Also accept tokens in the URL: ?access_token=TOKEN. Servers on the way may log the URL, so prefer the cookie."`
	Public      []topicPattern `sep:"none" placeholder:"PATTERN" help:"Topics that every client may subscribe to, even without a token. Can be repeated."`
	Origin      []string       `sep:"none" placeholder:"URL" help:"Another origin, such as https://example.com, whose pages may use the hub; * for all origins, without their cookies. Can be repeated."`
	Insecure    bool           `help:"Allow other machines to reach an address that requires no token: --addr without a key, and --admin-addr. Every client may then do everything there."`
}

// topicPattern is a pattern on the command line.
type topicPattern struct{ eventlog.Pattern }

// UnmarshalText reads a pattern.
func (p *topicPattern) UnmarshalText(text []byte) (err error) {
	p.Pattern, err = eventlog.ParsePattern(string(text))
	return err
}

// MarshalText returns the text of the pattern.
func (p topicPattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// keyed reports whether a key is configured. Without a key the hub cannot tell its clients apart.
func (f *authFlags) keyed(env environ) bool {
	return len(f.KeyFile)+len(f.PublicKey) > 0 || f.JWKSURL != "" || env.lookup(f.KeyEnv) != ""
}

// checkAuth checks the settings. It refuses settings about tokens if there is no key, because they would have no effect.
func (f *authFlags) checkAuth(env environ) error {
	if f.KeyEnv != keyVariable && env.lookup(f.KeyEnv) == "" {
		return fmt.Errorf("--key-env: there is no key in the environment variable %s", f.KeyEnv)
	}
	if f.TokenCookie != "" && !isFieldName(f.TokenCookie) {
		return fmt.Errorf("--token-cookie: %q is not a valid name of a cookie; use letters, digits, - and _", f.TokenCookie)
	}
	for _, origin := range f.Origin {
		if err := hub.CheckOrigin(origin); err != nil {
			return fmt.Errorf("--origin: %w", err)
		}
	}
	if !f.keyed(env) && (len(f.JWTAlg)+len(f.Public) > 0 || f.JWTIssuer+f.JWTAudience+f.TokenCookie != "" || f.TokenQuery) {
		return errors.New("without a key every client may do everything, and settings about tokens have no effect" +
			"\nhint: --key-file, --public-key or --jwks-url")
	}
	return nil
}

// tokens returns the authorisation by tokens, nil if there is no key. The caller closes it.
func (f *authFlags) tokens(env environ, logger *slog.Logger) (*tokens, error) {
	if !f.keyed(env) {
		return nil, nil
	}
	keys, err := f.keys(env)
	if err != nil {
		return nil, err
	}
	for _, name := range f.KeyFile {
		if info, err := os.Stat(name); err == nil && info.Mode()&0o004 != 0 && runtime.GOOS != "windows" {
			logger.Warn("every user of this machine can read a secret and make tokens with it", "file", name, "hint", "chmod 600 "+name)
		}
	}
	v := &access.Verifier{Keys: keys, Issuer: f.JWTIssuer, Audience: f.JWTAudience}
	if f.JWKSURL != "" {
		public := slices.DeleteFunc(slices.Clone(f.JWTAlg), isSecretAlg)
		if len(public) == 0 {
			public = f.JWTAlg // for the error, which says why none fits
		}
		if v.JWKS, err = access.NewJWKS(fetchJWKS(string(f.JWKSURL)), &access.JWKSOptions{Algorithms: public, Logger: logger}); err != nil {
			return nil, fmt.Errorf("--jwks-url with --jwt-alg: %w", err)
		}
	}
	t := &tokens{&access.Policy{Verifier: v, Revocations: access.NewRevocations(0, v.Leeway)}, f.sources()}
	for _, p := range f.Public {
		t.policy.Public = append(t.policy.Public, p.Pattern)
	}
	return t, nil
}

// keys reads the keys in files and in the environment. Unlike those of a JWKS they do not change.
func (f *authFlags) keys(env environ) ([]access.Key, error) {
	var keys []access.Key
	for i, name := range slices.Concat(f.KeyFile, f.PublicKey) {
		text, err := readKey(name)
		if err != nil {
			return nil, err
		}
		k, err := f.key(text)
		if err != nil {
			return nil, keyError(name, err)
		}
		switch secret, asSecret := isSecretAlg(k.Algorithms()[0]), i < len(f.KeyFile); {
		case asSecret && !secret:
			return nil, fmt.Errorf("--key-file: %s has a public key, not a secret\nhint: --public-key %[1]s", name)
		case secret && !asSecret:
			return nil, fmt.Errorf("--public-key: %s has a secret, not a public key\nhint: --key-file %[1]s", name)
		}
		keys = append(keys, k)
	}
	if text := env.lookup(f.KeyEnv); text != "" {
		k, err := f.key([]byte(text))
		if err != nil {
			return nil, keyError("environment "+f.KeyEnv, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// key returns a key, pinned to the algorithms of --jwt-alg that fit its type.
func (f *authFlags) key(text []byte) (access.Key, error) {
	var fit []string
	for _, alg := range f.JWTAlg {
		if _, err := access.ParseKey(text, alg); err == nil {
			fit = append(fit, alg)
		}
	}
	if len(fit) == 0 {
		fit = f.JWTAlg // for the error, which says why none fits
	}
	return access.ParseKey(text, fit...)
}

// isSecretAlg reports whether an algorithm signs with a secret rather than a key pair (RFC 7518, section 3.1).
func isSecretAlg(alg string) bool { return strings.HasPrefix(alg, "HS") }
