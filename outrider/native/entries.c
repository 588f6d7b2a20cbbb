/* Goes through rows, has an entry written for each, and keeps what separates them. */

#include "native.h"

/* At least as much as an entry has of what is said. */
size_t said_size(const struct said *said) {
    size_t n = said->prefix.n;
    for (int std = 0; std < STDS; std++)
        n += said->level[std].n + said->last[std].n;
    return n;
}

void write_entries(struct job *job, encoder *encode, const void *to, size_t longest, size_t said) {
    struct day known = {.text = "", .number = 0};
    uint64_t turn = job->begin < job->end ? job->rows[job->begin].at >> TURN_BITS : 0;
    for (; job->begin < job->end; job->begin++) {
        const struct row *row = &job->rows[job->begin];
        size_t content = row->length <= longest ? row->length : 0;
        if (row->at >> TURN_BITS != turn || (size_t)(job->limit - job->out) <= 1024 + said + 6 * content)
            return;
        byte *begin = job->out, *end = NULL;
        if (job->count > 0)
            *begin++ = ',';
        if (row->length <= longest && (row->at & OFFSET_MASK) < MAX_OFFSET)
            end = encode(begin, row, job->chunk, to, &known);
        if (end == NULL) {
            if (!job->misfit(job->who, job->begin, (size_t)(job->out - job->start)))
                return;
        } else if (end == begin)
            job->empty++;
        else {
            job->out = end;
            job->count++;
            job->timeless += row->time_length == 0;
        }
    }
}
