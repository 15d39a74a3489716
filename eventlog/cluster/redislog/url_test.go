package redislog

import (
	"fmt"
	"strings"
	"testing"
)

func TestAddressesOfRedis(t *testing.T) {
	for text, want := range map[string]string{ // hosts, user, password, database, Sentinel's name, Redis Cluster, TLS
		"redis://localhost":                        "[localhost:6379]   0  false false",
		"redis://127.0.0.1:7000/3":                 "[127.0.0.1:7000]   3  false false",
		"redis://[::1]":                            "[[::1]:6379]   0  false false",
		"redis://[::1]:7000/":                      "[[::1]:7000]   0  false false",
		"rediss://u:p@example.com":                 "[example.com:6379] u p 0  false true",
		"redis://:p%2F%3F%23%40%3A%25@h":           "[h:6379]  p/?#@:% 0  false false",
		"redis://u:a@b@h":                          "[h:6379] u a@b 0  false false",
		"redis://a,b:1,c/2?sentinel=main":          "[a:26379 b:1 c:26379]   2 main false false",
		"redis://u:p@a:1,b:2?cluster=true":         "[a:1 b:2] u p 0  true false",
		"rediss://configuration.host?cluster=true": "[configuration.host:6379]   0  true true",
	} {
		to, err := parseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := fmt.Sprint(to.Addrs, " ", to.Username, " ", to.Password, " ", to.DB, " ", to.MasterName, " ", to.IsClusterMode, " ", to.TLSConfig != nil)
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
		if again, err := parseURL(describe(to)); err != nil || fmt.Sprint(again.Addrs, again.DB, again.MasterName) != fmt.Sprint(to.Addrs, to.DB, to.MasterName) {
			t.Errorf("%s is described as %s: %v", text, describe(to), err)
		}
		if to.Password != "" && strings.Contains(describe(to), ":"+to.Password+"@") {
			t.Errorf("%s is described with its password: %s", text, describe(to))
		}
	}
}

func TestWrongAddressIsRefusedWithoutItsPassword(t *testing.T) {
	for text, word := range map[string]string{
		"":                                  "redis://",
		"localhost:6379":                    "redis://",
		"secret":                            "redis://",
		"user:secret@host:6379":             "redis://",
		"http://:secret@host":               "redis://",
		"redis://":                          "no name",
		"redis://:secret":                   "port",
		"redis://host:secret":               "port",
		"redis://user:secret":               "port",
		"redis://h:0":                       "port",
		"redis://h:70000":                   "port",
		"redis://::1":                       "brackets",
		"redis://a,,b?cluster=true":         "number 2",
		"redis://u:se/cret@h":               "%2F",
		"redis://u:se?cret@h":               "%3F",
		"redis://u:se#cret@h":               "%23",
		"redis://u:se%cret@h":               "%25",
		"redis://h/secret":                  "database",
		"redis://h/-1":                      "database",
		"redis://h/0/1":                     "database",
		"redis://a,b":                       "several hosts",
		"redis://h?password=secret":         `"password"`,
		"redis://h?sentinel=":               "without a value",
		"redis://h?cluster=secret":          "cluster=true",
		"redis://h?sentinel=a&sentinel=b":   "twice",
		"redis://h?sentinel=a&cluster=true": "at once",
		"redis://h/1?cluster=true":          "database 0",
		"redis://h?%zz":                     "parameters",
	} {
		_, err := New(&Options{URL: text})
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v, want an error that says %q", text, err, word)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "cret")) {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{
		{Prefix: "a{b}"},
		{Prefix: "a b"},
		{Prefix: strings.Repeat("x", 65)},
		{KeepBytes: 1 << 20},
		{KeepBytes: -1},
		{WaitReplicas: -1},
	} {
		o.URL = "redis://localhost"
		if _, err := New(&o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
