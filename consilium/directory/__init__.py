"""Who works where and what codes mean: passwords here, dictionaries (НСИ) in nsi.py."""
