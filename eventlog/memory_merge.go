package eventlog

import "container/heap"

// merge merges sorted runs of records. It is a heap of the runs by their next record.
type merge struct {
	runs      [][]*stored // none is empty
	backwards bool
}

// all yields the records in order, without duplicates.
func (m *merge) all(yield func(*stored) bool) {
	var last *stored
	for heap.Init(m); len(m.runs) > 0; {
		r := m.next(0)
		if r != last && !yield(r) {
			return
		}
		last = r
		if m.advance(); len(m.runs[0]) > 0 {
			heap.Fix(m, 0)
		} else {
			heap.Pop(m)
		}
	}
}

// next returns the next record of a run.
func (m *merge) next(i int) *stored {
	run := m.runs[i]
	if m.backwards {
		return run[len(run)-1]
	}
	return run[0]
}

// advance removes the next record from the first run.
func (m *merge) advance() {
	run := m.runs[0]
	if m.backwards {
		m.runs[0] = run[:len(run)-1]
	} else {
		m.runs[0] = run[1:]
	}
}

func (m *merge) Less(i, j int) bool {
	if m.backwards {
		i, j = j, i
	}
	return m.next(i).Seq < m.next(j).Seq
}

func (m *merge) Len() int      { return len(m.runs) }
func (m *merge) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }
func (m *merge) Push(run any)  { m.runs = append(m.runs, run.([]*stored)) }

func (m *merge) Pop() any {
	last := len(m.runs) - 1
	run := m.runs[last]
	m.runs = m.runs[:last]
	return run
}
