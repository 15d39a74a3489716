package access_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

var byText = cmp.Comparer(func(a, b eventlog.Pattern) bool { return a == b })

// anyCredential ignores the hash of the token.
var anyCredential = cmpopts.IgnoreFields(access.Grant{}, "Credential")

func TestValidTokenGrantsWhatItClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}, Issuer: "https://id.example", Audience: "tidings", MaxLife: time.Hour}
		now := time.Now().Truncate(time.Second)
		token := hs256(fmt.Sprintf(`{"iss":"https://id.example","aud":["other","tidings"],"sub":"alice","jti":"t1",
			"iat":%d,"nbf":%d,"exp":%d.0,"name":"more","tidings" : {"publish" : ["chat"] , "subscribe":[ "news/**" , "a/*" ],"admin": true}}`,
			now.Unix(), now.Unix(), now.Add(time.Hour).Unix()))
		got, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		want := access.Grant{
			Subject: "alice", ID: "t1", IssuedAt: now, Expires: now.Add(time.Hour), Admin: true,
			Publish:   []eventlog.Matcher{eventlog.MustPattern("chat")},
			Subscribe: []eventlog.Matcher{eventlog.MustPattern("news/**"), eventlog.MustPattern("a/*")},
		}
		if diff := cmp.Diff(want, got, byText, anyCredential); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTokenWithoutASubjectHasACredential: the credentials of different tokens differ.
func TestTokenWithoutASubjectHasACredential(t *testing.T) {
	p := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{keyFor("HS256")}}}
	none := must(p.Grant(t.Context(), ""))
	one, same := must(p.Grant(t.Context(), hs256(`{`+grants+`}`))), must(p.Grant(t.Context(), hs256(`{`+grants+`}`)))
	other := must(p.Grant(t.Context(), hs256(`{"exp":99999999999,`+grants+`}`)))
	if none.Credential != 0 || one.Credential == 0 || one.Credential != same.Credential || one.Credential == other.Credential {
		t.Errorf("%x, %x, %x, %x", none.Credential, one.Credential, same.Credential, other.Credential)
	}
}

func TestEveryAlgorithmVerifiesOnlyItsOwnSignatures(t *testing.T) {
	for _, signed := range allAlgorithms {
		token := forge(signed, `{"alg":"`+signed+`"}`, `{`+grants+`}`)
		for _, pinned := range allAlgorithms {
			v := &access.Verifier{Keys: []access.Key{keyFor(pinned)}}
			_, err := v.Verify(t.Context(), token)
			switch {
			case signed == pinned && err != nil:
				t.Errorf("%s: %v", signed, err)
			case signed != pinned:
				wantRefusal(t, err, access.WrongAlgorithm, `its algorithm is "`+signed+`", and the keys are pinned to `+pinned, token)
			}
		}
		// Another key of the same algorithm.
		tampered := strings.Replace(token, base64url(`{`+grants+`}`), base64url(`{`+strings.Replace(grants, "news/**", "*", 1)+`}`), 1)
		_, err := (&access.Verifier{Keys: []access.Key{keyFor(signed)}}).Verify(t.Context(), tampered)
		wantRefusal(t, err, access.BadSignature, "its "+signed+" signature does not match", tampered)
	}
}

// TestPublicKeyIsNeverUsedAsASecret: a verifier that trusts the token's alg accepts a token signed by HMAC with the public key, which
// everybody has.
func TestPublicKeyIsNeverUsedAsASecret(t *testing.T) {
	public := publicPEM(rsaKey())
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		for _, form := range [][]byte{public, []byte(strings.TrimSpace(string(public)))} {
			token := forgeWith(alg, form, `{"alg":"`+alg+`"}`, `{`+grants+`}`)
			_, err := (&access.Verifier{Keys: []access.Key{keyFor("RS256")}}).Verify(t.Context(), token)
			wantRefusal(t, err, access.WrongAlgorithm, "pinned to RS256", token)
		}
		if key, err := access.ParseKey(public, alg); err == nil {
			t.Errorf("a public key became a key for %v", key.Algorithms())
		}
	}
}

func TestUnsignedTokenIsRefused(t *testing.T) {
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256"), keyFor("RS256")}}
	good := hs256(`{` + grants + `}`)
	signature := good[strings.LastIndexByte(good, '.')+1:]
	for _, alg := range []string{`"none"`, `"None"`, `"NONE"`, `""`} {
		for _, signature := range []string{"", signature} {
			token := base64url(`{"alg":`+alg+`}`) + "." + base64url(`{`+grants+`}`) + "." + signature
			_, err := v.Verify(t.Context(), token)
			wantRefusal(t, err, access.WrongAlgorithm, "not signed", token)
		}
	}
	for _, alg := range []string{"HS256", "RS256", "hs256", "HS257"} {
		token := base64url(`{"alg":"`+alg+`"}`) + "." + base64url(`{`+grants+`}`) + "."
		if g, err := v.Verify(t.Context(), token); err == nil {
			t.Errorf("%s without a signature grants %+v", alg, g)
		}
	}
	if _, err := (&access.Verifier{}).Verify(t.Context(), good); err == nil {
		t.Error("a verifier without keys accepts a token")
	}
}

func TestMalformedTokensAreRefused(t *testing.T) {
	good := hs256(`{` + grants + `}`)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	header := func(text string) string { return forge("HS256", text, `{`+grants+`}`) }
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for says, tokens := range map[string][]string{
		"bytes; the limit is 8192":         {strings.Repeat("a", 8193), hs256(`{"x":"` + strings.Repeat("x", 8000) + `",` + grants + `}`), strings.Repeat(".", 1<<20)},
		"dots instead of 2":                {"x", ".", head + "." + body, good + ".", "." + good},
		"encrypted (JWE)":                  {"a.b.c.d.e"},
		"the word Bearer":                  {"Bearer " + good, "bearer x"},
		"a line end":                       {good + "\n", head + "\r\n." + body + "." + signature},
		"its header is not base64url":      {"=" + good, head[:5] + "+." + body + "." + signature, head + "=." + body + "." + signature, " " + good},
		"its claims are not base64url":     {head + "." + body + "==." + signature, head + ".é." + signature},
		"its signature is not base64url":   {good + " ", good + "=", head + "." + body + "." + signature[:len(signature)-1] + otherTail(signature)},
		"its header: not a JSON object":    {header(`[]`), header(`"alg"`), header(`null`)},
		"appears twice in one object":      {header(`{"alg":"HS256","alg":"none"}`), header(`{"alg":"none","\u0061lg":"HS256"}`), header(`{"alg":"HS256","kid":"a","kid":"b"}`), header(`{"alg":"HS256","x":":\"{","x":[{":":1}]}`), header(`{"alg":"HS256","x":{"a":1,"a":2}}`)},
		"invalid surrogate":                {header(`{"alg":"HS256","\ud800":1,"\ufffd":2}`)},
		"its header: alg is not a string":  {header(`{"alg":null}`), header(`{"alg":["HS256"]}`), header(`{"alg":{}}`), header(`{"alg":256}`)},
		"its header: kid is not a string":  {header(`{"alg":"HS256","kid":null}`), header(`{"alg":"HS256","kid":{"$ne":""}}`), header(`{"alg":"HS256","kid":0}`)},
		"after top-level value":            {header(`{"alg":"HS256"}{}`), header(`{"alg":"HS256"} x`), hs256(`{` + grants + `}{"exp":1}`)},
		"unexpected EOF":                   {".." + signature, "." + body + "." + signature, header(``), hs256(``), hs256(strings.Repeat("{\"a\":", 500)), header(`{"alg":"HS256"`), header(`{"alg":"HS256`), header(`{"alg":`), header(`{"alg"`), header(`{`)},
		"invalid UTF-8":                    {header("{\"alg\":\"HS256\",\"\xff\":1}"), hs256("{\"sub\":\"\xff\"," + grants + "}")},
		`typ is "logout+jwt"`:              {header(`{"alg":"HS256","typ":"logout+jwt"}`)},
		"its header: it has crit":          {header(`{"alg":"HS256","crit":["b64"],"b64":false}`), header(`{"alg":"HS256","crit":[]}`)},
		"nested tokens":                    {forge("HS256", `{"alg":"HS256","cty":"JWT"}`, good)},
		"its claims: not a JSON object":    {hs256(`[]`), hs256(`"x"`), hs256(`null`), hs256(strings.Repeat("[", 5000))},
		"its claims: the name":             {hs256(`{"exp":1,"exp":9999999999,` + grants + `}`), hs256(`{"exp":1,"e\u0078p":9999999999,` + grants + `}`), hs256(`{` + grants + `,"tidings":{"admin":true}}`), hs256(`{"tidings":{"admin":false,"admin":true}}`)},
		"its claims: invalid JSON at byte": {hs256(good), hs256(`{'sub':1}`), hs256(`{"exp":0x10,` + grants + `}`), hs256(`{"exp":NaN,` + grants + `}`), hs256(`{"exp":+1}`)},
	} {
		for _, token := range tokens {
			_, err := v.Verify(t.Context(), token)
			wantRefusal(t, err, access.Malformed, says, token)
		}
	}
}

// otherTail returns another last character of base64url that a lenient decoder reads as the same bytes.
func otherTail(encoded string) string {
	last := encoded[len(encoded)-1:]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	other := alphabet[strings.Index(alphabet, last)^1]
	if a, err := base64.RawURLEncoding.DecodeString(encoded[:len(encoded)-1] + string(other)); err != nil || base64url(string(a)) != encoded {
		panic("not the same bytes")
	}
	return string(other)
}

func TestInvalidClaimsAreRefused(t *testing.T) {
	many := func(n int) string { return `["` + strings.TrimSuffix(strings.Repeat(`a","`, n), `","`) + `"]` }
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	for says, claims := range map[string][]string{
		`no claim "tidings"`:                                     {`{}`, `{"sub":"alice","exp":99999999999}`, `{"Tidings":{}}`, `{"tidings ":{}}`},
		"tidings is not an object":                               {`{"tidings":null}`, `{"tidings":[]}`, `{"tidings":"news/**"}`, `{"tidings":true}`},
		`tidings has the unknown name "subcribe"`:                {`{"tidings":{"subcribe":["a"]}}`},
		`tidings has the unknown name "Admin"`:                   {`{"tidings":{"Admin":true}}`},
		"publish is not an array of strings":                     {`{"tidings":{"publish":"news"}}`, `{"tidings":{"publish":null}}`, `{"tidings":{"publish":{"0":"a"}}}`},
		"publish.0 is not a string":                              {`{"tidings":{"publish":[["a"]]}}`, `{"tidings":{"publish":[1]}}`},
		"publish.1 is not a string":                              {`{"tidings":{"publish":["a",null]}}`},
		"admin is not true or false":                             {`{"tidings":{"admin":"true"}}`, `{"tidings":{"admin":1}}`, `{"tidings":{"admin":null}}`},
		"tidings.subscribe.1: ":                                  {`{"tidings":{"subscribe":["a",""]}}`, `{"tidings":{"subscribe":["a","b*"]}}`, `{"tidings":{"subscribe":["a","**/b"]}}`, `{"tidings":{"subscribe":["a","\u0000"]}}`, `{"tidings":{"subscribe":["a","` + strings.Repeat("x", 1025) + `"]}}`},
		"tidings has 1001 patterns":                              {`{"tidings":{"subscribe":` + many(1001) + `}}`, `{"tidings":{"subscribe":` + many(1000) + `,"publish":["b"]}}`},
		"sub is not a string":                                    {`{"sub":1,` + grants + `}`, `{"sub":null,` + grants + `}`, `{"sub":["alice"],` + grants + `}`},
		"sub has 256 bytes":                                      {`{"sub":"` + strings.Repeat("x", 256) + `",` + grants + `}`},
		"jti has 256 bytes":                                      {`{"jti":"` + strings.Repeat("x", 256) + `",` + grants + `}`},
		"jti is not a string":                                    {`{"jti":false,` + grants + `}`},
		"iss is not a string":                                    {`{"iss":{},` + grants + `}`},
		"aud is not an array of strings":                         {`{"aud":null,` + grants + `}`, `{"aud":1,` + grants + `}`},
		"aud.1 is not a string":                                  {`{"aud":["a",{}],` + grants + `}`},
		"exp is not a number of seconds":                         {`{"exp":"99999999999",` + grants + `}`, `{"exp":null,` + grants + `}`, `{"exp":[99999999999],` + grants + `}`, `{"exp":true,` + grants + `}`},
		"exp is -1, which is not a time":                         {`{"exp":-1,` + grants + `}`},
		"exp is 1e300, which is not a time":                      {`{"exp":1e300,` + grants + `}`},
		"exp is 1e999, which is not a time":                      {`{"exp":1e999,` + grants + `}`},
		"exp is 9223372036854775808, which is":                   {`{"exp":9223372036854775808,` + grants + `}`},
		"exp is 1795345200000, which is":                         {`{"exp":1795345200000,` + grants + `}`}, // milliseconds, a common mistake
		"nbf is not a number of seconds":                         {`{"nbf":"0",` + grants + `}`},
		"iat is not a number of seconds":                         {`{"iat":"now",` + grants + `}`},
		"exp is 9999999999999999999999999999999999999999, which": {`{"exp":` + strings.Repeat("9", 5000) + `,` + grants + `}`},
	} {
		for _, c := range claims {
			token := hs256(c)
			_, err := v.Verify(t.Context(), token)
			wantRefusal(t, err, access.BadClaims, says, token)
		}
	}
}

// TestGrantsOfATokenAreInNFC. Story: an issuer on another system wrote é in two characters. The token was good, and granted a topic that no
// client can publish to or follow. The reason has the pattern to write instead; the client learns only that the claims are wrong.
func TestGrantsOfATokenAreInNFC(t *testing.T) {
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}}
	claims := func(name, pattern string) string { return fmt.Sprintf(`{"tidings":{%q:["news","%s"]}}`, name, pattern) }
	for pattern, nfc := range map[string]string{
		"cafe\u0301":              "caf\u00e9",
		`cafe\u0301`:              "caf\u00e9", // the same, as JSON escapes it
		"menu/*/cafe\u0301/**":    "menu/*/caf\u00e9/**",
		"\u212bngstro\u0308m":     "\u00c5ngstr\u00f6m",
		"\u1112\u1161\u11ab/*":    "\ud55c/*",
		"a\u0307\u0323":           "\u1ea1\u0307",
		"https://e\u0301.example": "https://\u00e9.example",
	} {
		for _, name := range []string{"publish", "subscribe"} {
			token := hs256(claims(name, pattern))
			_, err := v.Verify(t.Context(), token)
			wantRefusal(t, err, access.BadClaims, "tidings."+name+".1: ", token)
			wantRefusal(t, err, access.BadClaims, fmt.Sprintf("write %q instead", nfc), token)
			g, err := v.Verify(t.Context(), hs256(claims(name, nfc)))
			if granted := append(g.Publish, g.Subscribe...); err != nil || len(granted) != 2 || fmt.Sprint(granted[1]) != nfc {
				t.Errorf("%s %q grants %v, %v", name, nfc, granted, err)
			}
		}
	}
}

// TestTokenIsValidForItsTimeAndTheLeeway runs in bubbles, whose clocks start at 2000-01-01 00:00 UTC.
func TestTokenIsValidForItsTimeAndTheLeeway(t *testing.T) {
	for _, test := range []struct {
		claim   string
		seconds float64 // from now
		leeway  time.Duration
		reason  access.Reason // "": accepted
		says    string
	}{
		{"exp", -192, 0, access.Expired, "it expired 3m12s ago, at 1999-12-31T23:56:48Z; its subject is \"alice\""},
		{"exp", -30, 0, access.Expired, "it expired 30s ago"},
		{"exp", -29, 0, "", ""},
		{"exp", -29.5, 0, "", ""},
		{"exp", 0, -1, access.Expired, "it expired 0s ago"},
		{"exp", 0.5, -1, "", ""},
		{"exp", -59, time.Minute, "", ""},
		{"exp", -60, time.Minute, access.Expired, ""},
		{"exp", -3600, 1000 * time.Hour, access.Expired, "it expired 1h0m0s ago"},
		{"exp", 252455615999, 0, "", ""}, // the last second of the year 9999
		{"nbf", 30, 0, "", ""},
		{"nbf", 31, 0, access.NotYetValid, "not valid before 2000-01-01T00:00:31Z, in 31s (nbf)"},
		{"nbf", 1, -1, access.NotYetValid, ""},
		{"nbf", 0, -1, "", ""},
		{"nbf", 252455615999, 0, access.NotYetValid, "9999-12-31T23:59:59Z"},
		{"iat", 30, 0, "", ""},
		{"iat", 31, 0, access.NotYetValid, "issued in the future"},
	} {
		synctest.Test(t, func(t *testing.T) {
			now := time.Now()
			v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}, Leeway: test.leeway}
			token := hs256(fmt.Sprintf(`{"sub":"alice","%s":%.1f,%s}`, test.claim, float64(now.Unix())+test.seconds, grants))
			g, err := v.Verify(t.Context(), token)
			switch {
			case test.reason != "":
				wantRefusal(t, err, test.reason, test.says, token)
			case err != nil:
				t.Errorf("%s %v from now: %v", test.claim, test.seconds, err)
			case !g.Expires.IsZero() && !g.Expires.After(now):
				t.Errorf("%s %v from now: the grant has already expired, at %v", test.claim, test.seconds, g.Expires)
			}
		})
	}
}

func TestTokenOfAnotherIssuerOrAudienceIsRefused(t *testing.T) {
	v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}, Issuer: "https://id.example", Audience: "tidings"}
	for _, test := range []struct {
		claims string
		reason access.Reason
		says   string
	}{
		{`"iss":"https://id.example","aud":"tidings"`, "", ""},
		{`"iss":"https://id.example","aud":["a","tidings"]`, "", ""},
		{`"aud":"tidings"`, access.WrongIssuer, `its issuer is "", and must be "https://id.example"`},
		{`"iss":"https://id.example/","aud":"tidings"`, access.WrongIssuer, `"https://id.example/"`},
		{`"iss":"https://id.example"`, access.WrongAudience, `its audience is [], and must contain "tidings"`},
		{`"iss":"https://id.example","aud":[]`, access.WrongAudience, `[]`},
		{`"iss":"https://id.example","aud":"Tidings"`, access.WrongAudience, `["Tidings"]`},
		{`"iss":"https://id.example","aud":["a","tidings2"]`, access.WrongAudience, `["a" "tidings2"]`},
		{`"iss":"https://id.example","aud":["` + strings.Repeat(`x","`, 1000) + `"]`, access.WrongAudience, ""},
	} {
		token := hs256(`{` + test.claims + `,` + grants + `}`)
		_, err := v.Verify(t.Context(), token)
		if test.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", test.claims, err)
			}
			continue
		}
		wantRefusal(t, err, test.reason, test.says, token)
	}
}

func TestTokenLifetimeIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}, MaxLife: time.Hour}
		for claims, says := range map[string]string{
			fmt.Sprintf(`"iat":%d,"exp":%d`, now, now+3600): "",
			fmt.Sprintf(`"iat":%d,"exp":%d`, now, now+3601): "its lifetime is 1h0m1s; the limit is 1h0m0s",
			fmt.Sprintf(`"exp":%d`, now+3600):               "it must have iat and exp",
			fmt.Sprintf(`"iat":%d`, now):                    "it must have iat and exp",
		} {
			token := hs256(`{` + claims + `,` + grants + `}`)
			_, err := v.Verify(t.Context(), token)
			if says != "" {
				wantRefusal(t, err, access.BadClaims, says, token)
			} else if err != nil {
				t.Error(err)
			}
		}
	})
}

// TestHeaderCannotSupplyAKey: a token that carries a key, or the address of one, is still checked with the configured keys.
func TestHeaderCannotSupplyAKey(t *testing.T) {
	v := &access.Verifier{Keys: []access.Key{keyFor("RS256")}}
	mine := forgeWith("ES256", p256Key(), `{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`, `{`+grants+`}`)
	_, err := v.Verify(t.Context(), mine)
	wantRefusal(t, err, access.WrongAlgorithm, "ES256", mine)
	for _, trick := range []string{
		`"jku":"https://evil.example/jwks.json"`, `"x5u":"https://evil.example/cert.pem"`, `"x5c":["AA=="]`,
		`"kid":"../../../../dev/null"`, `"kid":"' UNION SELECT 'x"`, `"kid":"a\u0000b"`, `"kid":"` + strings.Repeat("x", 4000) + `"`,
	} {
		header := `{"alg":"RS256",` + trick + `}`
		if _, err := v.Verify(t.Context(), forge("RS256", header, `{`+grants+`}`)); err != nil {
			t.Errorf("%s: %v", trick, err)
		}
		token := base64url(header) + "." + base64url(`{`+grants+`}`) + "." + base64url("x")
		_, err := v.Verify(t.Context(), token)
		wantRefusal(t, err, access.BadSignature, "RS256", token)
	}
}

func TestPeekReadsAnUnsignedToken(t *testing.T) {
	token := base64url(`{"alg":"none","kid":"k1"}`) + "." + base64url(`{"iss":"me","aud":"you","nbf":1,"exp":2,`+grants+`}`) + "."
	got, err := access.Peek(token)
	if err != nil {
		t.Fatal(err)
	}
	want := access.Unverified{
		Algorithm: "none", KeyID: "k1", Issuer: "me", Audience: []string{"you"}, NotBefore: time.Unix(1, 0),
		Claimed: access.Grant{Credential: got.Claimed.Credential, Expires: time.Unix(2, 0), Subscribe: []eventlog.Matcher{eventlog.MustPattern("news/**")}},
	}
	if diff := cmp.Diff(want, got, byText); diff != "" {
		t.Error(diff)
	}
	token = base64url(`{"alg":"HS256"}`) + "." + base64url(`{"sub":"alice"}`) + "."
	got, err = access.Peek(token)
	wantRefusal(t, err, access.BadClaims, `no claim "tidings"`, token)
	if got.Claimed.Subject != "alice" || got.Algorithm != "HS256" {
		t.Errorf("Peek lost what it read before the error: %+v", got)
	}
}
