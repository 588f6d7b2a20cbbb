/* The native core as a Python module: arguments are checked here, results become Python's objects here, and nothing
   else knows of Python. `outrider/native/__init__.py` says what the functions are for. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

#include "native.h"

#define FORM 1 /* as outrider/native/__init__.py has it */
#define SCREEN 8192
#define SHORTEST 30 /* bytes of a line of a container runtime, at least */

static PyObject *scanned(PyObject *args, scanner *find, size_t shortest) {
    const char *chunk, *screen = NULL;
    Py_ssize_t n, screened = 0;
    PyObject *position;
    if (!PyArg_ParseTuple(args, "y#O|z#:scan", &chunk, &n, &position, &screen, &screened))
        return NULL;
    unsigned long long at = PyLong_AsUnsignedLongLong(position);
    if (PyErr_Occurred())
        return NULL;
    if ((screen != NULL && screened != SCREEN) || n > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a screen of another size, or a chunk of 4 GiB");
        return NULL;
    }
    size_t room = 0;
    if (shortest > 1)
        room = (size_t)n / shortest;
    else
        for (Py_ssize_t i = 0; i < n; i++)
            room += chunk[i] == '\n';
    struct row *rows = malloc((room + 1) * sizeof *rows);
    if (rows == NULL)
        return PyErr_NoMemory();
    ptrdiff_t count = find((const byte *)chunk, (size_t)n, at, (const byte *)screen, rows, room + 1);
    PyObject *found = count < 0 ? Py_NewRef(Py_None)
                                : PyBytes_FromStringAndSize((const char *)rows, count * (Py_ssize_t)sizeof *rows);
    free(rows);
    return found;
}

static PyObject *python_scan(PyObject *module, PyObject *args) {
    (void)module;
    return scanned(args, scan, SHORTEST);
}

static PyObject *python_scan_plain(PyObject *module, PyObject *args) {
    (void)module;
    return scanned(args, scan_plain, 1);
}

/* The rows of a job, which must lie within its chunk. They are the content of a bytes object, and so aligned: that
   is all that `y#` takes. */
static int take_rows(struct job *job, Py_ssize_t chunk, const char *rows, Py_ssize_t n, Py_ssize_t begin,
                     Py_ssize_t end) {
    const Py_ssize_t size = sizeof(struct row);
    if (n % size || begin < 0 || begin > end || end > n / size) {
        PyErr_SetString(PyExc_ValueError, "no such rows");
        return 0;
    }
    job->rows = (const struct row *)rows;
    job->begin = (size_t)begin;
    job->end = (size_t)end;
    for (size_t i = job->begin; i < job->end; i++) {
        const struct row *row = &job->rows[i];
        if ((uint64_t)row->content + row->length > (uint64_t)chunk ||
            (uint64_t)row->time + row->time_length > (uint64_t)chunk || row->std >= STDS) {
            PyErr_SetString(PyExc_ValueError, "a row outside of its chunk");
            return 0;
        }
    }
    return 1;
}

/* The next of `strings`, each of which has its length, 32 bits in the machine's order, before it. */
static int next(struct span *strings, struct span *found) {
    uint32_t n;
    if (strings->n < sizeof n)
        return 0;
    memcpy(&n, strings->p, sizeof n);
    if (n > strings->n - sizeof n)
        return 0;
    *found = (struct span){strings->p + sizeof n, n};
    strings->p += sizeof n + n;
    strings->n -= sizeof n + n;
    return 1;
}

static int take_said(struct span *strings, struct said *said) {
    int whole = next(strings, &said->prefix);
    for (int std = 0; std < STDS; std++)
        whole = whole && next(strings, &said->level[std]) && next(strings, &said->last[std]);
    if (!whole)
        PyErr_SetString(PyExc_ValueError, "strings are missing");
    return whole;
}

/* Whether `names` are what google.c expects: pairs of texts, each with a byte for its length before it. */
static int are_pairs(struct span names) {
    size_t i = 0, texts = 0;
    for (; i < names.n; i += 1 + names.p[i])
        texts++;
    return i == names.n && texts % 2 == 0;
}

static int keep_misfit(void *who, size_t row, size_t offset) {
    PyObject *pair = Py_BuildValue("nn", (Py_ssize_t)row, (Py_ssize_t)offset);
    int kept = pair != NULL && PyList_Append(who, pair) == 0;
    Py_XDECREF(pair);
    return kept;
}

/* (entries, how many, lines that are empty, lines without a time, the row after the last one, misfits) */
static PyObject *encoded(struct job *job, void (*write)(struct job *, const void *), const void *to, size_t longest,
                         size_t said) {
    size_t room = 4096 + said, most = 0;
    for (size_t i = job->begin; i < job->end; i++) {
        size_t content = job->rows[i].length <= longest ? job->rows[i].length : 0; /* what is longer is a misfit */
        room += 512 + said + 2 * content;
        most = content > most ? content : most;
    }
    room += 6 * most;
    PyObject *made = NULL, *misfits = PyList_New(0);
    byte *out = malloc(room);
    if (out == NULL || misfits == NULL)
        PyErr_NoMemory();
    else {
        job->out = job->start = out;
        job->limit = out + room;
        job->misfit = keep_misfit;
        job->who = misfits;
        write(job, to);
        if (!PyErr_Occurred())
            made = Py_BuildValue("y#nnnnO", out, (Py_ssize_t)(job->out - out), (Py_ssize_t)job->count,
                                 (Py_ssize_t)job->empty, (Py_ssize_t)job->timeless, (Py_ssize_t)job->begin, misfits);
    }
    free(out);
    Py_XDECREF(misfits);
    return made;
}

static PyObject *python_google(PyObject *module, PyObject *args) {
    const char *chunk, *rows, *strings, *latest, *names;
    Py_ssize_t chunk_n, rows_n, begin, end, strings_n, latest_n, names_n;
    struct job job = {0};
    struct google to;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#y#nny#y#y#p:google", &chunk, &chunk_n, &rows, &rows_n, &begin, &end, &strings,
                          &strings_n, &latest, &latest_n, &names, &names_n, &to.timeless))
        return NULL;
    struct span said = {(const byte *)strings, (size_t)strings_n};
    to.latest = (struct span){(const byte *)latest, (size_t)latest_n};
    to.names = (struct span){(const byte *)names, (size_t)names_n};
    job.chunk = (const byte *)chunk;
    if (latest_n != sizeof "2026-05-16T09:19:06" - 1 || !are_pairs(to.names)) {
        PyErr_SetString(PyExc_ValueError, "a bound for times has a day and a time, and names come in pairs");
        return NULL;
    }
    if (!take_rows(&job, chunk_n, rows, rows_n, begin, end) || !take_said(&said, &to.said))
        return NULL;
    if (!next(&said, &to.trace)) {
        PyErr_SetString(PyExc_ValueError, "strings are missing");
        return NULL;
    }
    return encoded(&job, google_entries, &to, GOOGLE_LONGEST, (size_t)strings_n);
}

static PyObject *python_datadog(PyObject *module, PyObject *args) {
    const char *chunk, *rows, *strings;
    Py_ssize_t chunk_n, rows_n, begin, end, strings_n;
    long long from, until, now;
    struct job job = {0};
    struct datadog to;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#y#nny#LLL:datadog", &chunk, &chunk_n, &rows, &rows_n, &begin, &end, &strings,
                          &strings_n, &from, &until, &now))
        return NULL;
    struct span said = {(const byte *)strings, (size_t)strings_n};
    to.from = from;
    to.to = until;
    to.now = now;
    job.chunk = (const byte *)chunk;
    if (!take_rows(&job, chunk_n, rows, rows_n, begin, end) || !take_said(&said, &to.said))
        return NULL;
    return encoded(&job, datadog_entries, &to, DATADOG_LONGEST, (size_t)strings_n);
}

static PyMethodDef functions[] = {
    {"scan", python_scan, METH_VARARGS, "scan(chunk, at, screen=None) -> rows | None"},
    {"scan_plain", python_scan_plain, METH_VARARGS, "scan_plain(chunk, at, screen=None) -> rows | None"},
    {"google", python_google, METH_VARARGS, "google(chunk, rows, begin, end, strings, latest, names, timeless)"},
    {"datadog", python_datadog, METH_VARARGS, "datadog(chunk, rows, begin, end, strings, from, to, now)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_core", "See outrider.native.", 0, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__core(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntConstant(module, "FORM", FORM) < 0)
        Py_CLEAR(module);
    return module;
}
