/* The extension outrider.native._core. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *version(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return PyLong_FromLong(1);
}

static PyMethodDef methods[] = {
    {"version", version, METH_NOARGS, "The version of what this module and its caller have agreed on."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_core",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
