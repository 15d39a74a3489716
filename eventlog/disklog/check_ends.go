package disklog

import "fmt"

// ends compares the two tables of ends.
func (c *checker) ends() error {
	newest := make(map[bool]int) // by whether the line has its end
	err := c.each(kindEndLine, func(key, value []byte) error {
		line, err := decodeEndLine(key, value)
		if err != nil {
			c.problem(fmt.Sprintf("key %x of an end", key), "%v", err)
			return nil
		}
		what := fmt.Sprintf("end of topic %q by record %d", line.topic, line.seq)
		if line.seq > c.head {
			c.problem(what, "it comes after the head, %d", c.head)
		}
		value, found, err := c.find(endKey(nil, line.topic))
		if err != nil {
			return err
		}
		end, err := decodeEnding(value)
		if !found || err != nil || end.seq < line.seq || end.seq == line.seq && end != line.ending {
			c.problem(what, "the topic's newest end is %d, and should be this one; appends may be accepted in spite of the end", end.seq)
		}
		newest[end.seq == line.seq]++
		return nil
	})
	if err != nil {
		return err
	}
	n := 0
	err = c.each(kindEnd, func([]byte, []byte) error {
		n++
		return nil
	})
	if err == nil && n != newest[true] {
		c.problem("ends", "%d topics have one, %d are in order; some would never be forgotten", n, newest[true])
	}
	return err
}
