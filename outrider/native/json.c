/* A walk over a JSON object (RFC 8259) that keeps where its members stand and makes nothing of them.

   Stricter than JSON, for what comes through is copied as it is into a request that a protobuf parser reads, and
   that it would refuse as a whole: no key twice, no key with escapes, no number that a double could not hold, no
   lone surrogate, 30 levels, no line feed between values. Nothing here is called with more than 16 KiB. */

#include "native.h"

struct walk {
    const byte *end;
    struct span keys[MAX_MEMBERS]; /* of all objects that are open, one after the other */
    size_t open;
};

static const byte *space(const byte *p, const byte *end) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static int hex4(const byte *p, const byte *end) {
    int found = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        byte c = p[i] | 0x20;
        if (digit(p[i]))
            found = found << 4 | (p[i] - '0');
        else if (c >= 'a' && c <= 'f')
            found = found << 4 | (c - 'a' + 10);
        else
            return -1;
    }
    return found;
}

/* What is behind the escape at `p`, a backslash; NULL if it is none. */
static const byte *escape_end(const byte *p, const byte *end) {
    if (end - p < 2)
        return NULL;
    if (p[1] != 'u')
        return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
    int unit = hex4(p + 2, end);
    if (unit < 0 || (unit & 0xFC00) == 0xDC00)
        return NULL;
    if ((unit & 0xFC00) != 0xD800)
        return p + 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u' || (hex4(p + 8, end) & ~0x3FF) != 0xDC00)
        return NULL;
    return p + 12;
}

/* What is behind the string whose opening quotation mark is at `p`; NULL if it is none. Counts `escapes`. */
static const byte *string_end(const byte *p, const byte *end, int *escapes) {
    p++;
    while (p < end) {
        if (end - p >= 8) {
            size_t n = plain(p);
            p += n;
            if (n == 8)
                continue;
        }
        if (*p == '"')
            return p + 1;
        if (*p == '\\') {
            ++*escapes;
            if ((p = escape_end(p, end)) == NULL)
                return NULL;
        } else if (*p >= 0x80) {
            size_t n = utf8(p, end);
            if (n == 0)
                return NULL;
            p += n;
        } else if (*p < 0x20)
            return NULL;
        else
            p++;
    }
    return NULL;
}

/* A number of up to 18 digits before the point, 30 behind, and none of an exponent: nothing that a double could not
   hold, or that is longer than the 63 characters that a parser of protobuf's takes (upb, `jsondec_number`). */
static const byte *number_end(const byte *p, const byte *end) {
    p += *p == '-';
    const byte *whole = p;
    while (p < end && digit(*p))
        p++;
    if (p == whole || p - whole > 18 || (*whole == '0' && p - whole > 1))
        return NULL;
    if (p < end && *p == '.') {
        const byte *fraction = ++p;
        while (p < end && digit(*p))
            p++;
        if (p == fraction || p - fraction > 30)
            return NULL;
    }
    return p < end && (*p | 0x20) == 'e' ? NULL : p;
}

static const byte *value_end(struct walk *walk, const byte *p, int depth);

/* A key at `p` of the innermost open object, whose keys are those from `first` on; what is behind its colon, or
   NULL. */
static const byte *key_end(struct walk *walk, const byte *p, size_t first) {
    if (p == walk->end || *p != '"' || walk->open == MAX_MEMBERS)
        return NULL;
    int escapes = 0;
    const byte *behind = string_end(p, walk->end, &escapes);
    if (behind == NULL || escapes > 0)
        return NULL;
    struct span key = {p, (size_t)(behind - p)};
    for (size_t i = first; i < walk->open; i++)
        if (walk->keys[i].n == key.n && memcmp(walk->keys[i].p, p, key.n) == 0)
            return NULL;
    walk->keys[walk->open++] = key;
    p = space(behind, walk->end);
    return p < walk->end && *p == ':' ? space(p + 1, walk->end) : NULL;
}

/* What is behind the object or array at `p`. The members of an object are `found`, if anybody wants them. */
static const byte *container_end(struct walk *walk, const byte *p, int depth, struct members *found) {
    size_t first = walk->open;
    int is_object = *p == '{';
    byte closing = is_object ? '}' : ']';
    if (depth > MAX_DEPTH)
        return NULL;
    p = space(p + 1, walk->end);
    if (p < walk->end && *p == closing)
        return p + 1;
    for (;;) {
        if (is_object && (p = key_end(walk, p, first)) == NULL)
            return NULL;
        const byte *behind = value_end(walk, p, depth);
        if (behind == NULL)
            return NULL;
        if (found != NULL)
            found->of[found->count++] = (struct member){walk->keys[walk->open - 1], {p, (size_t)(behind - p)}};
        p = space(behind, walk->end);
        if (p == walk->end || (*p != ',' && *p != closing))
            return NULL;
        if (*p == closing)
            break;
        p = space(p + 1, walk->end);
    }
    walk->open = first;
    return p + 1;
}

static const byte *word_end(const byte *p, const byte *end, const char *word, size_t n) {
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

static const byte *value_end(struct walk *walk, const byte *p, int depth) {
    int escapes = 0;
    if (p == walk->end)
        return NULL;
    switch (*p) {
    case '"':
        return string_end(p, walk->end, &escapes);
    case '{':
    case '[':
        return container_end(walk, p, depth + 1, NULL);
    case 't':
        return word_end(p, walk->end, "true", 4);
    case 'f':
        return word_end(p, walk->end, "false", 5);
    case 'n':
        return word_end(p, walk->end, "null", 4);
    default:
        return number_end(p, walk->end);
    }
}

/* The members of the JSON object that `text` is, which begins with its brace; 0 if it is none, or one to be looked
   at by Python. */
int object(struct span text, struct members *found) {
    struct walk walk = {.end = text.p + text.n, .open = 0};
    found->count = 0;
    const byte *p = container_end(&walk, text.p, 1, found);
    if (p == NULL)
        return 0;
    while (p < walk.end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p == walk.end;
}

/* Whether a number, or the inside of a string, is a decimal integer of at most so many `digits`, spelt as usual. */
int is_integer(struct span text, size_t digits) {
    if (IS(text, "0"))
        return 1;
    size_t sign = text.n > 0 && text.p[0] == '-';
    if (text.n <= sign || text.n - sign > digits || text.p[sign] == '0')
        return 0;
    for (size_t i = sign; i < text.n; i++)
        if (!digit(text.p[i]))
            return 0;
    return 1;
}
