"""Where secrets come from, and how they change without a restart.

    local.py      the environment, `.env`, files and folders of files
    managers.py   secret managers, by one address: aws.py  azure.py  gcp.py  vault.py
    rotation.py   `Rotating`: settings that are read again when they are old or rejected

How these places are combined is in `countersign/configuration.py`. Who needs a secret takes a `Rotating`:

    account = Rotating(settings)
    used = await account.get()              # before every call; never waits
    if answered_401:
        if await account.renew(used): ...   # another key is known; False: there is none
"""
