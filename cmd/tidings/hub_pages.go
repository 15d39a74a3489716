package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tidings-sse/tidings/internal/wire"
)

// pageSize is the number of items in a page, the most that a hub sends.
const pageSize = 1000

// pages yields the items of a list that a hub sends in pages: at most count of them, or all if count is 0. list is the name of the list in an
// answer. An error is the last item.
func pages[T any](ctx context.Context, hub *hubClient, path, list string, query url.Values, count int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := maps.Clone(query)
		for left := count; ; {
			query.Set(wire.ParamLimit, strconv.Itoa(pageSize))
			if count > 0 && left < pageSize {
				query.Set(wire.ParamLimit, strconv.Itoa(left))
			}
			items, next, err := fetchPage[T](ctx, hub, path, list, query)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if left -= len(items); next == "" || count > 0 && left <= 0 {
				return
			}
			query.Set(wire.ParamAfter, next)
		}
	}
}

// fetchPage returns a page of a list, and the parameter after for the next page, "" if there is none.
func fetchPage[T any](ctx context.Context, hub *hubClient, path, list string, query url.Values) (items []T, next string, err error) {
	var answer map[string]json.RawMessage
	if err := hub.ask(ctx, http.MethodGet, path, query, nil, &answer); err != nil {
		return nil, "", err
	}
	for name, into := range map[string]any{list: &items, "next": &next} {
		if text, ok := answer[name]; ok {
			if err := json.Unmarshal(text, into); err != nil {
				return nil, "", fmt.Errorf("%s sends an invalid list: %w", hub, err)
			}
		}
	}
	return items, next, nil
}
