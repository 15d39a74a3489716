package main

import "slices"

// nearest returns the name that is most similar to a misspelt one, "" if none is similar.
func nearest(misspelt string, names []string) string {
	best, distance := "", max(2, len(misspelt)/3)+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := editDistance(misspelt, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// didYouMean returns a suggestion to append to the error for an unknown name, possibly "".
func didYouMean(misspelt string, names []string) string {
	if name := nearest(misspelt, names); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// editDistance returns how many bytes must be inserted, deleted or replaced to turn a into b (the Levenshtein distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // the distances from the read part of a to b[:i]
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
