package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// TestExplainSaysWhyAnExpiredTokenIsAccepted: it said that the token had expired, and then that it had not.
func TestExplainSaysWhyAnExpiredTokenIsAccepted(t *testing.T) {
	signer, err := access.ParseSigner([]byte(testSecret), "")
	if err != nil {
		t.Fatal(err)
	}
	ended := time.Now().Add(-time.Second)
	token, err := signer.Mint(access.Grant{Subject: "ann", Admin: true, IssuedAt: ended.Add(-time.Hour), Expires: ended})
	if err != nil {
		t.Fatal(err)
	}
	code, out, complaint := say(t, "token", "explain", "--key-file", writeFile(t, "key", testSecret), token)
	if code != 0 || !strings.Contains(out, "\naccepted: the signature is good, and it expired ") || !strings.Contains(out, "ago, but hubs accept it for 30s longer") {
		t.Errorf("exit code %d, %s%s", code, out, complaint)
	}
	if _, out, _ := say(t, "token", "explain", "garbage"); !strings.HasPrefix(out, "refused: ") {
		t.Errorf("of garbage it says %q", out)
	}
}

// TestTokenMintRefusesPatternsThatAreNotNFC: a hub would refuse them, and the author of the token can still correct them.
func TestTokenMintRefusesPatternsThatAreNotNFC(t *testing.T) {
	mint := []string{"token", "mint", "--key-file", writeFile(t, "key", testSecret)}
	for pattern, nfc := range map[string]string{
		"cafe\u0301":         "caf\u00e9",
		"menu/cafe\u0301/**": "menu/caf\u00e9/**",
		"*/\u2126":           "*/\u03a9",
	} {
		for _, flag := range []string{"--publish", "--subscribe"} {
			code, out, complaint := say(t, append(mint, flag, "news", flag, pattern)...)
			if code != exitUsage || out != "" || !strings.Contains(complaint, flag+": ") || !strings.Contains(complaint, "(NFC); write \""+nfc+"\" instead") {
				t.Errorf("%s %+q: exit code %d, %q, %s", flag, pattern, code, out, complaint)
			}
			code, token, complaint := say(t, append(mint, flag, nfc)...)
			if code != 0 {
				t.Fatalf("%s %q: exit code %d, %s", flag, nfc, code, complaint)
			}
			if code, out, _ := say(t, "token", "explain", "--key-file", mint[3], strings.TrimSpace(token)); code != 0 || !strings.Contains(out, " "+nfc+"\n") {
				t.Errorf("what %s %q makes is explained with exit code %d as %s", flag, nfc, code, out)
			}
		}
	}
}

// TestRefusedTokensGiveAHint: with a wrong token, the hint was to give a token.
func TestRefusedTokensGiveAHint(t *testing.T) {
	s := startServe(t, environ{"TIDINGS_KEY=" + testSecret})
	for _, args := range [][]string{{"pub", "news", "hello"}, {"sub", "news"}} {
		for token, want := range map[string]string{"": "give a token with --token", "nonsense": "tidings token explain says what is wrong"} {
			code, _, complaint := say(t, append(args, "--hub", s.url, "--token", token)...)
			if code != exitRefused || !strings.Contains(complaint, "hint: "+want) {
				t.Errorf("%q with token %q: exit code %d, %s", args, token, code, complaint)
			}
		}
	}
}

// TestTopicsReportsAnEmptyList: it printed nothing.
func TestTopicsReportsAnEmptyList(t *testing.T) {
	open, keyed := startServe(t, nil), startServe(t, environ{"TIDINGS_KEY=" + testSecret}, "--public", "public/**")
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, open.url+"/events/news", "hello"); answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", answer.Status, text)
	}
	for _, test := range []struct {
		url, pattern, out, complaint string
	}{
		{open.url, "**", "news\n", ""},
		{open.url, "no/**", "", "no topic matches no/**"},
		{keyed.url, "**", "", "or none that you may subscribe to without a token (--token)"},
	} {
		code, out, complaint := say(t, "topics", "--hub", test.url, test.pattern)
		if code != 0 || out != test.out || !strings.Contains(complaint, test.complaint) || test.complaint == "" && complaint != "" {
			t.Errorf("%s: exit code %d, %q, %s", test.pattern, code, out, complaint)
		}
	}
}

func TestServeExplainsAnInvalidKey(t *testing.T) {
	key := writeFile(t, "short", "short")
	_, _, complaint := say(t, "serve", "--memory", "--addr", ":0", "--key-file", key)
	if !strings.HasPrefix(complaint, "tidings: "+key+": weak secret: it has 5 bytes, and needs at least 32\nhint: tidings token key makes one") {
		t.Error(complaint)
	}
	_, _, complaint = say(t, "serve", "--memory", "--addr", ":0", "--key-file", key+"er")
	if !strings.HasSuffix(complaint, "\nhint: tidings token key "+key+"er makes one\n") {
		t.Error(complaint)
	}
	open := writeFile(t, "open", testSecret)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, nil, "--key-file", open)
	s.log.await(t, "every user of this machine can read a secret.*chmod 600 ")
}

// TestSecondHubOnADirectoryGetsAHint: the error did not mention the commands that work with a running hub.
func TestSecondHubOnADirectoryGetsAHint(t *testing.T) {
	dir := t.TempDir()
	startServe(t, nil, "--memory=false", "--data", dir)
	code, _, complaint := say(t, "serve", "--addr", ":0", "--data", dir)
	if code != exitFailure || !strings.Contains(complaint, "hint: if the process is a hub") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
}
