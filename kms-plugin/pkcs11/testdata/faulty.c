/* A PKCS#11 module that passes every call on to the one FAULTY_MODULE names, except those that the file FAULTY_CONTROL names:
   one line each, of the function, the CKR to answer in hexadecimal digits, and milliseconds to wait before. 0 as the CKR waits only. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkcs11go.h"

static CK_FUNCTION_LIST real, shown;

static CK_RV fault(const char *name)
{
    char line[128], word[64];
    unsigned long rv = 0;
    unsigned delay = 0, found = 0;
    FILE *control = fopen(getenv("FAULTY_CONTROL"), "r");

    if (control == NULL)
        return CKR_OK;
    while (!found && fgets(line, sizeof line, control) != NULL)
        found = sscanf(line, "%63s %lx %u", word, &rv, &delay) == 3 && strcmp(word, name) == 0;
    fclose(control);
    if (!found)
        return CKR_OK;
    usleep(delay * 1000);
    return rv;
}

#define PASS(name, parameters, arguments)      \
    static CK_RV my_##name parameters          \
    {                                          \
        CK_RV rv = fault(#name);               \
        return rv ? rv : real.name arguments;  \
    }

PASS(C_OpenSession, (CK_SLOT_ID a, CK_FLAGS b, CK_VOID_PTR c, CK_NOTIFY d, CK_SESSION_HANDLE_PTR e), (a, b, c, d, e))
PASS(C_Login, (CK_SESSION_HANDLE a, CK_USER_TYPE b, CK_UTF8CHAR_PTR c, CK_ULONG d), (a, b, c, d))
PASS(C_EncryptInit, (CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c), (a, b, c))
PASS(C_Encrypt, (CK_SESSION_HANDLE a, CK_BYTE_PTR b, CK_ULONG c, CK_BYTE_PTR d, CK_ULONG_PTR e), (a, b, c, d, e))
PASS(C_DecryptInit, (CK_SESSION_HANDLE a, CK_MECHANISM_PTR b, CK_OBJECT_HANDLE c), (a, b, c))
PASS(C_Decrypt, (CK_SESSION_HANDLE a, CK_BYTE_PTR b, CK_ULONG c, CK_BYTE_PTR d, CK_ULONG_PTR e), (a, b, c, d, e))
PASS(C_GetAttributeValue, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE_PTR c, CK_ULONG d), (a, b, c, d))

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    void *library = dlopen(getenv("FAULTY_MODULE"), RTLD_NOW);
    CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;
    CK_FUNCTION_LIST_PTR held;

    if (get == NULL || get(&held) != CKR_OK)
        return CKR_GENERAL_ERROR;
    real = shown = *held;
    shown.C_OpenSession = my_C_OpenSession;
    shown.C_Login = my_C_Login;
    shown.C_EncryptInit = my_C_EncryptInit;
    shown.C_Encrypt = my_C_Encrypt;
    shown.C_DecryptInit = my_C_DecryptInit;
    shown.C_Decrypt = my_C_Decrypt;
    shown.C_GetAttributeValue = my_C_GetAttributeValue;
    *list = &shown;
    return CKR_OK;
}
