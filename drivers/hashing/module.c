/* The Python module: checks arguments, releases the GIL, searches. Stable ABI of Python 3.11. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "sha256d.h"

static PyObject *list_kernels(PyObject *self, PyObject *ignored)
{
    (void)self, (void)ignored;
    PyObject *list = PyList_New(0);
    for (unsigned i = 0; list && i < kernel_count; i++) {
        PyObject *item = Py_BuildValue("(sIs)", kernels[i].name, kernels[i].heads, kernels[i].missing());
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static scan_function *scan_named(const char *name)
{
    for (unsigned i = 0; i < kernel_count; i++)
        if (!strcmp(kernels[i].name, name)) {
            if (!*kernels[i].missing())
                return kernels[i].scan;
            PyErr_Format(PyExc_ValueError, "kernel %s: %s", name, kernels[i].missing());
            return NULL;
        }
    PyErr_Format(PyExc_ValueError, "no kernel is called %s", name);
    return NULL;
}

/* Copy `size` bytes as words; return 0 with an error set if the object is not such bytes. */
static int read_words(PyObject *object, const char *what, uint32_t *words, Py_ssize_t size)
{
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(object, &bytes, &length) < 0)
        return 0;
    if (length != size) {
        PyErr_Format(PyExc_ValueError, "%s: %zd bytes are needed, not %zd", what, size, length);
        return 0;
    }
    for (Py_ssize_t i = 0; i < size / 4; i++)
        words[i] = load_big_endian((const unsigned char *)bytes + 4 * i);
    return 1;
}

static int read_midstates(PyObject *sequence, struct search *search)
{
    Py_ssize_t count = PySequence_Size(sequence);
    if (count < 0)
        return 0;
    if (count < 1 || count > MAX_HEADS) {
        PyErr_Format(PyExc_ValueError, "1 to %d midstates are needed, not %zd", MAX_HEADS, count);
        return 0;
    }
    search->heads = (unsigned)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(sequence, i);
        int good = item && read_words(item, "midstate", search->head[i].midstate, 32);
        Py_XDECREF(item);
        if (!good)
            return 0;
    }
    return 1;
}

static int read_target(PyObject *number, struct search *search)
{
    PyObject *bytes = PyObject_CallMethod(number, "to_bytes", "is", 32, "big");
    if (!bytes) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError))
            PyErr_SetString(PyExc_ValueError, "the target must be an unsigned 256-bit number");
        return 0;
    }
    uint32_t words[8];
    int good = read_words(bytes, "target", words, 32);
    for (int i = 0; good && i < 8; i++)
        search->target[i] = words[7 - i];
    Py_DECREF(bytes);
    return good;
}

static int read_range(long long start, long long count)
{
    if (start >= 0 && count >= 0 && start <= 1LL << 32 && count <= (1LL << 32) - start)
        return 1;
    PyErr_SetString(PyExc_ValueError, "the nonces are not within 32 bits");
    return 0;
}

static PyObject *result(const struct search *search, uint64_t tried)
{
    PyObject *hits = PyList_New((Py_ssize_t)search->hits);
    for (uint32_t i = 0; hits && i < search->hits; i++) {
        PyObject *item = Py_BuildValue("(II)", search->hit[i].nonce, search->hit[i].head);
        if (!item || PyList_SetItem(hits, (Py_ssize_t)i, item) < 0)
            Py_CLEAR(hits);
    }
    return hits ? Py_BuildValue("(NK)", hits, (unsigned long long)tried) : NULL;
}

static PyObject *search_with(struct search *search, PyObject *arguments)
{
    const char *name;
    PyObject *midstates, *tail, *target, *stop_flag;
    long long start, count;
    if (!PyArg_ParseTuple(arguments, "sOOO!LLO!:search", &name, &midstates, &tail, &PyLong_Type,
                          &target, &start, &count, &PyByteArray_Type, &stop_flag))
        return NULL;
    scan_function *scan = scan_named(name);
    if (!scan || !read_midstates(midstates, search) || !read_words(tail, "tail", search->tail, 12) ||
        !read_target(target, search) || !read_range(start, count))
        return NULL;
    Py_buffer stop; /* holding the buffer keeps the bytearray from being resized */
    if (PyObject_GetBuffer(stop_flag, &stop, PyBUF_SIMPLE) < 0)
        return NULL;
    if (stop.len != 1) {
        PyBuffer_Release(&stop);
        PyErr_SetString(PyExc_ValueError, "the stop flag must have one byte");
        return NULL;
    }
    uint64_t tried;
    Py_BEGIN_ALLOW_THREADS
    prepare(search);
    tried = run(search, scan, (uint64_t)start, (uint64_t)count, stop.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&stop);
    return result(search, tried);
}

static PyObject *search_nonces(PyObject *self, PyObject *arguments)
{
    (void)self;
    struct search *search = PyMem_Calloc(1, sizeof *search);
    if (!search)
        return PyErr_NoMemory();
    PyObject *found = search_with(search, arguments);
    PyMem_Free(search);
    return found;
}

static PyObject *midstate(PyObject *self, PyObject *first_64)
{
    (void)self;
    uint32_t block[16], state[8];
    unsigned char bytes[32];
    if (!read_words(first_64, "first part of a header", block, 64))
        return NULL;
    memcpy(state, sha256_initial, sizeof state);
    best_compress()(state, block);
    for (int i = 0; i < 8; i++)
        store_big_endian(bytes + 4 * i, state[i]);
    return PyBytes_FromStringAndSize((const char *)bytes, sizeof bytes);
}

static PyObject *merkle_root_of(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *leaf;
    const unsigned char *branch;
    unsigned char bytes[32];
    uint32_t root[8];
    Py_ssize_t length;
    if (!PyArg_ParseTuple(arguments, "Oy#:merkle_root", &leaf, &branch, &length) ||
        !read_words(leaf, "leaf", root, 32))
        return NULL;
    if (length % 32)
        return PyErr_Format(PyExc_ValueError, "a branch is made of hashes of 32 bytes, not %zd", length);
    merkle_root(root, branch, (size_t)length / 32, best_compress());
    for (int i = 0; i < 8; i++)
        store_big_endian(bytes + 4 * i, root[i]);
    return PyBytes_FromStringAndSize((const char *)bytes, sizeof bytes);
}

static PyMethodDef methods[] = {
    {"kernels", list_kernels, METH_NOARGS,
     "Return (name, heads searched best at a time, why this CPU cannot run it or \"\")."},
    {"search", search_nonces, METH_VARARGS,
     "Return the hits as (nonce, index into midstates), and how many nonces were tried."},
    {"midstate", midstate, METH_O, "Return the SHA-256 state after 64 bytes."},
    {"merkle_root", merkle_root_of, METH_VARARGS,
     "Return the merkle root over a leaf (32 bytes) and its branch (hashes, joined)."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_sha256d",
    .m_doc = "SHA256d search in C.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__sha256d(void)
{
    return PyModuleDef_Init(&module);
}
